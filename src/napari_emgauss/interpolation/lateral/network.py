"""The trained network applied to the (z, x) and (z, y) planes of a stack."""

from __future__ import annotations

import dataclasses
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
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.runtime.torch_threads import one_torch_thread, use_one_torch_thread

_ROWS_PER_PASS = 16
"""Few enough for a thread's cache."""
_STATE_INTS = ("reach", "channels", "coefficients")


@dataclass(frozen=True, kw_only=True)
class Views:
    """Predictions (Y, X) of one z."""

    straight_zx: FloatArray
    """From the (z, x) planes of the sections as they are."""
    straight_zy: FloatArray
    """From their (z, y) planes."""
    aligned_zx: FloatArray
    """From the (z, x) planes of the sections carried to z by optical flow."""
    aligned_zy: FloatArray
    """From their (z, y) planes."""

    @property
    def straight(self) -> FloatArray:
        """Mean of both planes of the sections as they are."""
        return np.float32(0.5) * (self.straight_zx + self.straight_zy)

    @property
    def aligned(self) -> FloatArray:
        """Mean of both planes of the aligned sections."""
        return np.float32(0.5) * (self.aligned_zx + self.aligned_zy)

    @property
    def disagreement(self) -> FloatArray:
        """Standard deviation (Y, X) of the four predictions."""
        everything = [getattr(self, field.name) for field in dataclasses.fields(self)]
        return np.asarray(np.std(everything, axis=0), np.float32)


@dataclass(frozen=True, kw_only=True)
class GapCoefficients:
    """What the network makes of the sections around a gap, for any phase of the gap."""

    zx: Tensor
    """Kept rows (Y, 2·reach, X) of the (z, x) planes."""
    zy: Tensor
    """Kept rows (X, 2·reach, Y) of the (z, y) planes."""
    coefficients_zx: Tensor
    """Coefficients (Y, coefficients, X) of their residuals."""
    coefficients_zy: Tensor
    """Likewise (X, coefficients, Y)."""


class LateralNetwork:
    """What `train_lateral` learned from one stack.

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

    def on(self, sections: FloatArray) -> LateralInterpolator:
        """Interpolator of ``sections`` (n, Y, X); faster than `section` for several z of one stack."""
        return LateralInterpolator(self, sections)

    def section(self, sections: FloatArray, z: float) -> tuple[FloatArray, FloatArray]:
        """Image (Y, X) at ``z`` of ``sections`` and the disagreement (Y, X); see `LateralInterpolator.section`."""
        return self.on(sections).section(z)

    def state(self) -> dict[str, Tensor]:
        """Weights and settings as plain tensors, for safetensors."""
        state = {f"rows.{name}": value.detach().cpu().clone() for name, value in self.rows.state_dict().items()}
        for name in _STATE_INTS:
            state[name] = torch.tensor(getattr(self.config, name))
        state["dilations"] = torch.tensor(self.config.dilations)
        state["perpendicular_blur_px"] = torch.tensor(self.config.perpendicular_blur_px, dtype=torch.float64)
        state["factor"] = torch.tensor(self.factor, dtype=torch.float64)
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> LateralNetwork:
        """Network of what `state` returned.

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
            return cls(rows, config=config, factor=float(state["factor"]))
        except (KeyError, RuntimeError, ValueError) as error:
            raise ModelFileError(f"the lateral network cannot be restored: {error}. Train it again.") from error

    def planes(self, neighbours: FloatArray, phase: float) -> tuple[FloatArray, FloatArray]:
        """Predictions (Y, X) from the (z, x) and the (z, y) planes of ``neighbours`` (2·reach, Y, X)."""
        return self.at_phase(self.prepare(neighbours), phase)

    def prepare(self, neighbours: FloatArray) -> GapCoefficients:
        """The part of `planes` that all phases share, and nearly all of the work."""
        stack = torch.from_numpy(np.ascontiguousarray(neighbours, np.float32))
        zx, zy = stack.permute(1, 0, 2).contiguous(), stack.permute(2, 0, 1).contiguous()
        return GapCoefficients(
            zx=zx, zy=zy, coefficients_zx=self._coefficients(zx), coefficients_zy=self._coefficients(zy)
        )

    @torch.inference_mode()
    def at_phase(self, prepared: GapCoefficients, phase: float) -> tuple[FloatArray, FloatArray]:
        """Predictions as of `planes`, from what `prepare` returned."""
        from_zx = self._lines(prepared.zx, prepared.coefficients_zx, phase)
        from_zy = self._lines(prepared.zy, prepared.coefficients_zy, phase).T
        sigma = self.config.perpendicular_blur_px
        if sigma:
            return gaussian_filter1d(from_zx, sigma, axis=0), gaussian_filter1d(from_zy, sigma, axis=1)
        return from_zx, np.ascontiguousarray(from_zy)

    def _coefficients(self, rows: Tensor) -> Tensor:
        device = next(self.rows.parameters()).device
        out = rows.new_empty(len(rows), self.config.coefficients, rows.shape[2])

        @torch.inference_mode()
        def work(start: int) -> None:
            if device.type == "cpu":
                use_one_torch_thread()
            part = rows[start : start + _ROWS_PER_PASS].to(device)
            out[start : start + _ROWS_PER_PASS] = self.rows.coefficients(part, self._gap(part)).cpu()

        with one_torch_thread() if device.type == "cpu" else nullcontext():
            for_each(work, range(0, len(rows), _ROWS_PER_PASS))
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
        self._surrounding = SurroundingSections(sections, reach=network.config.reach)
        # Walking along z, a gap is prepared once; aligned sections differ from phase to phase and cannot share.
        self._prepared = lru_cache(maxsize=1)(lambda lower: network.prepare(self._surrounding.straight(lower)))

    def section(self, z: float) -> tuple[FloatArray, FloatArray]:
        """Image (Y, X) at section coordinate ``z`` and the standard deviation (Y, X) of the four views behind it.

        At a whole ``z`` the observed section comes back, with disagreement 0.

        Raises
        ------
        SectionRangeError
            ``z`` is outside 0..n-1.
        """
        lower, phase = self._place(z)
        if phase == 0:
            image = np.array(self.sections[lower], np.float32)
            return image, np.zeros_like(image)
        views = self.views(z)
        return np.float32(0.5) * (views.straight + views.aligned), views.disagreement

    def views(self, z: float) -> Views:
        """The predictions behind `section`, for a ``z`` that is not whole."""
        lower, phase = self._place(z)
        straight = self.network.at_phase(self._prepared(lower), phase)
        aligned = self.network.planes(self._surrounding.aligned(lower, phase), phase)
        return Views(straight_zx=straight[0], straight_zy=straight[1], aligned_zx=aligned[0], aligned_zy=aligned[1])

    def _place(self, z: float) -> tuple[int, float]:
        last = len(self.sections) - 1
        if not 0 <= z <= last:
            raise SectionRangeError(f"z must be within 0..{last}, got {z}. There is nothing to predict it from.")
        lower = int(z)
        return lower, float(z) - lower
