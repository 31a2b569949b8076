"""The model of one half of the particles: 3D Gaussians in the map's frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ModelFileError
from napari_emgauss.forward.ctf import ctf, frequencies
from napari_emgauss.forward.projections import draw_map, draw_projection, projected, symmetric
from napari_emgauss.gaussians.algebra import GaussianTerms
from napari_emgauss.gaussians.solid import LARGEST, SOLID_COLUMNS, SolidGaussians, are_plausible
from napari_emgauss.particles import Particles, Vector

PREFIX = "gaussians."


class HalfModel(nn.Module):
    """Gaussians with centres z, y, x in pixels from voxel box // 2.

    Parameters
    ----------
    gaussians
        Those of the asymmetric unit.
    box_px
        Side of the map and of the images.
    operators
        Rotations (g, 3, 3) of the symmetry.
    positive
        Whether the absolute value of an amplitude is its peak.
    """

    def __init__(self, gaussians: SolidGaussians, box_px: int, operators: Vector, *, positive: bool) -> None:
        super().__init__()
        self.gaussians = gaussians
        self.box_px, self.operators, self.positive = box_px, operators, positive

    def __len__(self) -> int:
        return len(self.gaussians)

    def terms(self) -> GaussianTerms:
        """Return the terms of the map, copies by symmetry included."""
        own = self.gaussians.terms()
        if self.positive:
            own = own._replace(amplitude=own.amplitude.abs())
        return own if len(self.operators) == 1 else symmetric(own, self.operators)

    def volume(self) -> Float[Tensor, "box box box"]:
        """Draw the map (z, y, x)."""
        return draw_map(self.terms(), self.box_px)

    def image(self, rotation: Vector, shift_px: Vector | tuple[float, float] = (0.0, 0.0)) -> Float[Tensor, "box box"]:
        """Draw a projection, without CTF; see `projected`."""
        return draw_projection(projected(self.terms(), rotation, shift_px), self.box_px)

    def map(self) -> FloatArray:
        """Return the map (z, y, x)."""
        with torch.no_grad():
            return np.asarray(self.volume().numpy(), np.float32)


def model_values(model: HalfModel) -> dict[str, Any]:
    """Return the plain values that belong to a model's tensors."""
    return {"box_px": model.box_px, "positive": model.positive}


def model_from_state(tensors: Mapping[str, Tensor], values: Mapping[str, Any], operators: Vector) -> HalfModel:
    """Return a model from its state, which need not be trusted.

    Raises
    ------
    ModelFileError
        Tensors are missing, have other shapes, or hold numbers that are not finite or implausibly large.
    """
    missing = [name for name in SOLID_COLUMNS if PREFIX + name not in tensors]
    if missing:
        raise ModelFileError(f"the model holds no {', '.join(missing)} of its Gaussians.")
    own = {name: tensors[PREFIX + name] for name in SOLID_COLUMNS}
    n = own["amplitude"].shape[:1]
    for name, tensor in own.items():
        if tensor.shape != (*n, *SOLID_COLUMNS[name]) or tensor.dtype != torch.float32:
            raise ModelFileError(f"the model's {name} has type {tensor.dtype} and shape {tuple(tensor.shape)}.")
        if not are_plausible(tensor):
            raise ModelFileError(f"the model's {name} holds numbers that are not finite, or beyond {LARGEST:g}.")
    box, positive = values["box_px"], values["positive"]
    if type(box) is not int or not 8 <= box <= 4096 or box % 2 or type(positive) is not bool:
        raise ModelFileError(f"the model declares a box of {box!r} px.")
    return HalfModel(SolidGaussians(own), box, operators, positive=positive)


@torch.no_grad()
def predicted_images(models: Sequence[HalfModel], particles: Particles, indices: Sequence[int]) -> FloatArray:
    """Return what some particles would show without noise (k, box, box): the mean over the models' Gaussians.

    Poses, shifts and CTFs are the particles', whose box is that of the models.
    """
    box, images = particles.box_px, []
    for i in indices:
        drawn = [model.image(particles.rotations[i], particles.shifts_px[i]) for model in models]
        images.append(torch.stack(drawn).mean(0))
    stacked = torch.stack(images)
    if particles.ctf is None:
        return np.asarray(stacked.numpy(), np.float32)
    at = frequencies(box, particles.box_pixel_size_angstrom)
    transfer = ctf(particles.ctf[list(indices)], at, phase_flipped=particles.phase_flipped)
    axes = (-2, -1)
    spectrum = torch.fft.rfft2(torch.fft.ifftshift(stacked, dim=axes)) * transfer
    observed = torch.fft.fftshift(torch.fft.irfft2(spectrum, s=(box, box)), dim=axes)
    return np.asarray(observed.numpy(), np.float32)
