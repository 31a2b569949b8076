"""Contrast transfer function of an electron microscope, in RELION's convention."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.particles import CtfParameters


def wavelength_angstrom(voltage_kv: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return the relativistic wavelength of electrons, Å."""
    volts = 1e3 * voltage_kv
    return 12.2639 / torch.sqrt(volts + 0.97845e-6 * volts**2)


def frequencies(box_px: int, pixel_size_angstrom: float) -> Float[Tensor, "2 box half"]:
    """Return the frequencies (x, y) in 1/Å of the coefficients (box, box // 2 + 1) of ``rfft2``."""
    y = torch.fft.fftfreq(box_px, pixel_size_angstrom, dtype=torch.float64)
    x = torch.fft.rfftfreq(box_px, pixel_size_angstrom, dtype=torch.float64)
    return torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))])


def ctf(
    parameters: CtfParameters,
    at: Float[Tensor, "2 *grid"],
    *,
    defocus_change_angstrom: Float[Tensor, "n"] | None = None,
    phase_flipped: bool = False,
) -> Float[Tensor, "n *grid"]:
    """Return the CTF of n particles at frequencies (x, y) in 1/Å.

    CTF = √(1 - w²) sin(-γ') + w cos γ', γ' = 2π (-½ Δf λ s² + ¼ Cs λ³ s⁴) - φ, times exp(-B s² / 4). It is +w at s = 0,
    so that white particles stay white; cryoDRGN's is the negative of it.

    Parameters
    ----------
    parameters
        Of n particles.
    at
        Frequencies.
    defocus_change_angstrom
        Added to both defoci.
    phase_flipped
        Return the absolute value: the images were multiplied by its sign.
    """
    shape = (-1, *(1,) * (at.ndim - 1))

    def column(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(at.device).view(shape)

    wavelength = wavelength_angstrom(column(parameters.voltage_kv))
    u, v = column(parameters.defocus_u_angstrom), column(parameters.defocus_v_angstrom)
    x, y = at.double()
    square = x**2 + y**2
    angle = torch.atan2(y, x) - torch.deg2rad(column(parameters.defocus_angle_deg))
    defocus = 0.5 * (u + v + (u - v) * torch.cos(2 * angle))
    if defocus_change_angstrom is not None:
        defocus = defocus + defocus_change_angstrom.double().view(shape)
    aberration = 0.25 * 1e7 * column(parameters.cs_mm) * wavelength**3 * square**2
    gamma = 2 * math.pi * (aberration - 0.5 * defocus * wavelength * square)
    gamma = gamma - torch.deg2rad(column(parameters.phase_shift_deg))
    w = column(parameters.amplitude_contrast)
    value = w * torch.cos(gamma) - torch.sqrt(1 - w**2) * torch.sin(gamma)
    value = value * torch.exp(-0.25 * column(parameters.b_factor) * square)
    return value.abs() if phase_flipped else value
