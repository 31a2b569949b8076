"""The trained network applied to the (z, x) and (z, y) planes of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ModelFileError, SectionRangeError, VolumeError
from napari_emgauss.interpolation.lateral.alignment import SurroundingSections
from napari_emgauss.interpolation.lateral.config import LateralConfig
from napari_emgauss.interpolation.lateral.rows import RowNetwork
from napari_emgauss.runtime.device import low_precision
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.runtime.torch_threads import one_torch_thread, use_one_torch_thread

_ROWS_PER_PASS, _ROWS_PER_PASS_GPU = 16, 4096
"""Few enough for a thread's cache, and enough to fill a GPU."""
_STATE_INTS = ("steps", "reach", "channels", "coefficients")


@dataclass(frozen=True, kw_only=True)
class GapCoefficients:
    """Coefficients that the network gives the rows around a gap, for any phase of the gap."""

    zx: Tensor
    """Kept rows (Y, 2·reach, X) of the (z, x) planes."""
    zy: Tensor
    """Kept rows (X, 2·reach, Y) of the (z, y) planes."""
    coefficients_zx: Tensor
    """Coefficients (Y, coefficients, X) of their residuals."""
    coefficients_zy: Tensor
    """Likewise (X, coefficients, Y)."""


class LateralNetwork:
    """Network that `train_lateral` trained on one stack.

    Parameters
    ----------
    rows
        The network along a row.
    config
        Its settings.
    factor
        Distance in px between the sections that it was trained for.
    """

    def __init__(self, rows: RowNetwork, *, config: LateralConfig, factor: float) -> None:
        self.rows = rows.eval().requires_grad_(requires_grad=False)
        self.config = config
        self.factor = float(factor)

    def state(self) -> dict[str, Tensor]:
        """Return weights and settings as plain tensors, for safetensors."""
        state = {f"rows.{name}": value.detach().cpu().clone() for name, value in self.rows.state_dict().items()}
        for name in _STATE_INTS:
            state[name] = torch.tensor(getattr(self.config, name))
        state["dilations"] = torch.tensor(self.config.dilations)
        state["perpendicular_blur_px"] = torch.tensor(self.config.perpendicular_blur_px, dtype=torch.float64)
        state["factor"] = torch.tensor(self.factor, dtype=torch.float64)
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], device: torch.device | None = None) -> LateralNetwork:
        """Restore a network from what `state` returned, on a device, by default the CPU.

        Raises
        ------
        ModelFileError
            A tensor is missing or has another shape.
        """
        try:
            config = LateralConfig(
                **{name: int(state[name]) for name in _STATE_INTS},
                dilations=tuple(int(d) for d in state["dilations"]),
                perpendicular_blur_px=float(state["perpendicular_blur_px"]),
            )
            rows = RowNetwork(config, torch.Generator())
            rows.load_state_dict({k.removeprefix("rows."): v for k, v in state.items() if k.startswith("rows.")})
            return cls(rows.to(device), config=config, factor=float(state["factor"]))
        except (KeyError, RuntimeError, ValueError) as error:
            raise ModelFileError(f"the lateral network cannot be restored: {error}. Train it again.") from error

    def planes(self, neighbours: FloatArray, phase: float) -> tuple[FloatArray, FloatArray]:
        """Return the predictions (Y, X) from the (z, x) and the (z, y) planes of ``neighbours`` (2·reach, Y, X)."""
        return self.at_phase(self.prepare(neighbours), phase)

    def prepare(self, neighbours: FloatArray) -> GapCoefficients:
        """Do the part of `planes` that all phases share, which is nearly all of the work."""
        stack = torch.from_numpy(np.ascontiguousarray(neighbours, np.float32))
        zx, zy = stack.permute(1, 0, 2).contiguous(), stack.permute(2, 0, 1).contiguous()
        return GapCoefficients(
            zx=zx, zy=zy, coefficients_zx=self._coefficients(zx), coefficients_zy=self._coefficients(zy)
        )

    @torch.inference_mode()
    def at_phase(self, prepared: GapCoefficients, phase: float) -> tuple[FloatArray, FloatArray]:
        """Return the predictions of `planes` from what `prepare` returned."""
        from_zx = self._lines(prepared.zx, prepared.coefficients_zx, phase)
        from_zy = self._lines(prepared.zy, prepared.coefficients_zy, phase).T
        sigma = self.config.perpendicular_blur_px
        if sigma:
            return gaussian_filter1d(from_zx, sigma, axis=0), gaussian_filter1d(from_zy, sigma, axis=1)
        return from_zx, np.ascontiguousarray(from_zy)

    def _coefficients(self, rows: Tensor) -> Tensor:
        device = next(self.rows.parameters()).device
        at_once = _ROWS_PER_PASS if device.type == "cpu" else _ROWS_PER_PASS_GPU
        out = rows.new_empty(len(rows), self.config.coefficients, rows.shape[2])

        @torch.inference_mode()
        def work(start: int) -> None:
            if device.type == "cpu":
                use_one_torch_thread()
            part = rows[start : start + at_once].to(device)
            with low_precision(device):
                found = self.rows.coefficients(part, self._gap(part))
            out[start : start + at_once] = found.cpu()

        with one_torch_thread() if device.type == "cpu" else nullcontext():
            for_each(work, range(0, len(rows), at_once))
        return out

    def _lines(self, rows: Tensor, coefficients: Tensor, phase: float) -> FloatArray:
        device = next(self.rows.parameters()).device
        rows, coefficients = rows.to(device), coefficients.to(device)
        phases = torch.full((len(rows), 1), phase, device=device)
        lines = self.rows.blend(rows, coefficients, self._gap(rows), phases)[:, 0]
        return np.asarray(lines.cpu().numpy(), np.float32)

    def _gap(self, rows: Tensor) -> Tensor:
        return torch.full((len(rows),), self.factor, device=rows.device)


class LateralInterpolator:
    """Sections at any real z by a `LateralNetwork`.

    Parameters
    ----------
    network
        The network; the distance between ``sections`` should be its factor.
    sections
        Stack (n, Y, X) in the intensities that it was trained on, at least two sections.

    Raises
    ------
    VolumeError
        ``sections`` has not three axes or fewer than two sections.
    """

    def __init__(self, network: LateralNetwork, sections: FloatArray) -> None:
        if sections.ndim != 3 or len(sections) < 2:
            raise VolumeError(f"expected at least two sections (n, Y, X), got shape {sections.shape}. Pass a stack.")
        self.network = network
        self.sections = sections
        surrounding = self._surrounding = SurroundingSections(sections, reach=network.config.reach)
        # Walking along z, a gap is prepared once; aligned sections differ from phase to phase and cannot share.
        self._prepared = lru_cache(maxsize=1)(lambda lower: network.prepare(surrounding.straight(lower)))

    def straight_and_aligned(self, z: float) -> tuple[FloatArray, FloatArray]:
        """Return images (Y, X) at a ``z`` that is not whole: from the sections as they are, and carried to z by flow.

        Each is the mean of the predictions from the (z, x) and from the (z, y) planes.

        Raises
        ------
        SectionRangeError
            ``z`` is outside 0..n-1.
        """
        last = len(self.sections) - 1
        if not 0 <= z <= last:
            raise SectionRangeError(f"z must be within 0..{last}, got {z}. There is nothing to predict it from.")
        lower, phase = int(z), float(z) - int(z)
        straight = self.network.at_phase(self._prepared(lower), phase)
        aligned = self.network.planes(self._surrounding.aligned(lower, phase), phase)
        return np.float32(0.5) * (straight[0] + straight[1]), np.float32(0.5) * (aligned[0] + aligned[1])
