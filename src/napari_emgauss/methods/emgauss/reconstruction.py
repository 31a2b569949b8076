"""A trained reconstruction: renders any section coordinate, resamples, saves."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._types import FloatArray, Region, Triple
from napari_emgauss.blocks import Block, Plan
from napari_emgauss.errors import ConfigError, SectionRangeError, UncertaintyUnavailableError
from napari_emgauss.forward import SectionModel, View
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.uncertainty import UncertaintyMap
from napari_emgauss.resampling.planes import EPSILON as EPSILON
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.resampling.scaling import Scaling
from napari_emgauss.volume import Volume, check_voxel_size


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A stack as Gaussians that deform continuously along z.

    Attributes
    ----------
    shape
        The observed stack's (sections, Y, X).
    voxel_size_nm, origin_nm, dtype
        The observed stack's.
    config
        Settings it was trained with.
    scaling
        Intensity normalisation.
    observed
        Indices of the sections trained on.
    plan
        Blocks; z counts ``observed``.
    models
        One per block of the plan, on one device.
    record
        How it was made: plain JSON values.
    uncertainty_map
        What `uncertainty` draws from, or None.
    """

    shape: tuple[int, int, int]
    voxel_size_nm: Triple
    origin_nm: Triple
    dtype: np.dtype[Any]
    config: EmgaussConfig
    scaling: Scaling
    observed: tuple[int, ...]
    plan: Plan
    models: tuple[SectionModel, ...]
    record: Mapping[str, Any] = field(default_factory=dict)
    uncertainty_map: UncertaintyMap | None = None

    @property
    def n_gaussians(self) -> int:
        """Number of Gaussians of all blocks."""
        return sum(len(model.gaussians) for model in self.models)

    @property
    def z_range(self) -> tuple[float, float]:
        """First and last section coordinate that can be rendered."""
        return 0.0, float(self.shape[0] - 1)

    @property
    def held_out(self) -> tuple[int, ...]:
        """Sections that the user kept from the training, to judge it."""
        return self.config.sections.hold_out

    @property
    def left_out(self) -> tuple[int, ...]:
        """Damaged sections, not trained on."""
        return self.config.sections.leave_out

    @property
    def display_range(self) -> tuple[float, float]:
        """Intensities (low, high), in the stack's units, that a display shows as black and white."""
        return self.scaling.low, self.scaling.high

    def render(self, z: float, *, region: Region | None = None, zoom: float = 1.0) -> FloatArray:
        """Section at any coordinate.

        Parameters
        ----------
        z
            Section coordinate: 0 is the first observed section, 1 the second; any real number between.
        region
            Pixels (y0, y1, x0, x1), half-open, within the section; all by default. Cost is proportional to it.
        zoom
            Output pixels per section pixel; below 1 the section is drawn smaller, without aliasing.

        Returns
        -------
        float32 (round((y1 - y0)·zoom), round((x1 - x0)·zoom)) in the input's intensity units.

        Raises
        ------
        SectionRangeError
            ``z`` outside 0..n-1.
        ConfigError
            ``region`` outside the section, or an impossible ``zoom``.
        """
        z = self._check_z(z)
        view = View(self._check_region(region), float(zoom))
        image = np.zeros(view.shape, np.float32)
        position = self._observed_coordinate(z)
        for block, model in zip(self.plan.blocks, self.models, strict=True):
            weight_z = self.plan.weight_z(block, position)
            if weight_z > 0:
                self._add_block(image, view, block, model, z, weight_z)
        return self.scaling.restore(image)

    @property
    def has_uncertainty(self) -> bool:
        """Whether `uncertainty` can be asked for."""
        return self.uncertainty_map is not None

    def uncertainty(self, z: float, *, region: Region | None = None, zoom: float = 1.0) -> FloatArray:
        """Absolute error to expect of `render`, against a section cut at ``z``, that section's noise included.

        It comes from the disagreement of the reconstruction with linear and optical-flow interpolation, and from the
        change between the sections, calibrated on sections that were hidden for the purpose.

        Parameters
        ----------
        z, region, zoom
            As for `render`.

        Returns
        -------
        float32, of the shape that `render` returns, in the input's intensity units.

        Raises
        ------
        UncertaintyUnavailableError
            The model has none: training was stopped, ``uncertainty=False``, fewer than three sections, or a model of an
            earlier version.
        SectionRangeError, ConfigError
            As for `render`.
        """
        if self.uncertainty_map is None:
            raise UncertaintyUnavailableError(
                "this model has no map of its uncertainty: that is made at the end of a whole training with "
                "uncertainty=True on at least three sections. Train again, or continue the model."
            )
        covered = self._check_region(region)
        shape = View(covered, float(zoom)).shape
        image = self.uncertainty_map.at(self._observed_coordinate(self._check_z(z)), shape, covered, float(zoom))
        return np.asarray(image * np.float32(self.scaling.high - self.scaling.low), np.float32)

    def resample(self, voxel_size_nm: Triple | None = None) -> Volume:
        """The stack on another grid; isotropic by default, at the finer of y and x.

        Voxel k lies at depth k·dz from the centre of section 0; there are floor((n - 1)·dz_in / dz) + 1 planes, and in
        y and x floor((size - 1)·d_in / d) + 1 pixels. The type is the input's, rounded and clipped.
        """
        planes = self.planes(voxel_size_nm)
        data = np.empty(planes.shape, self.dtype)
        for k in range(len(data)):
            data[k] = planes[k]
        return Volume(data, planes.voxel_size_nm, self.origin_nm, {"napari-emgauss": dict(self.record)})

    def lazy(self, voxel_size_nm: Triple | None = None) -> Volume:
        """Like `resample`, but every plane is rendered when it is read: for volumes larger than memory."""
        planes = self.planes(voxel_size_nm)
        return Volume(planes, planes.voxel_size_nm, self.origin_nm, {"napari-emgauss": dict(self.record)})

    def planes(self, voxel_size_nm: Triple | None = None) -> Planes:
        """The planes of `resample` as an array-like (Z, Y, X) that renders on demand."""
        if voxel_size_nm is None:
            fine = min(self.voxel_size_nm[1:])
            voxel_size_nm = (fine, fine, fine)
        return Planes(self, check_voxel_size(voxel_size_nm))

    def save(self, path: str | Path) -> Path:
        """Write the model (``.emgauss``: safetensors with a JSON header); replaces an existing file whole."""
        from napari_emgauss.methods.emgauss.file import save

        return save(self, path)

    def _add_block(
        self, image: FloatArray, view: View, block: Block, model: SectionModel, z: float, weight_z: float
    ) -> None:
        """Add one block's weighted pixels to the part of ``image`` it covers."""
        y0, y1, x0, x1 = self.plan.region(block)
        height, width = self.shape[1:]
        rows, y = _covered(view.region[0], view.shape[0], view.zoom, _reach(y0, y1, height))
        columns, x = _covered(view.region[2], view.shape[1], view.zoom, _reach(x0, x1, width))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        part = model.render(z, self._part(view, rows, columns, (y0, x0)))
        weight = weight_z * self.plan.weight_yx(block, y, x)
        image[rows, columns] += part.cpu().numpy() * weight.astype(np.float32)

    @staticmethod
    def _part(view: View, rows: slice, columns: slice, origin: tuple[int, int]) -> View:
        """View of one block for these output rows and columns: their edges, in the block's own pixels."""
        edges = [
            view.region[0] - origin[0] + rows.start / view.zoom,
            view.region[0] - origin[0] + rows.stop / view.zoom,
            view.region[2] - origin[1] + columns.start / view.zoom,
            view.region[2] - origin[1] + columns.stop / view.zoom,
        ]
        return View((edges[0], edges[1], edges[2], edges[3]), view.zoom)

    def _observed_coordinate(self, z: float) -> float:
        """Section coordinate counted in trained-on sections, piecewise linear."""
        i = min(max(bisect.bisect_right(self.observed, z) - 1, 0), len(self.observed) - 2)
        return i + (z - self.observed[i]) / (self.observed[i + 1] - self.observed[i])

    def _check_z(self, z: float) -> float:
        low, high = self.z_range
        value = float(z)
        if not (math.isfinite(value) and low - EPSILON <= value <= high + EPSILON):
            raise SectionRangeError(
                f"z must be within {low:g}..{high:g} (section coordinates of {self.shape[0]} sections), got {z}. "
                f"For a depth in nm divide by {self.voxel_size_nm[0]:g}."
            )
        return min(max(value, low), high)

    def _check_region(self, region: Region | None) -> Region:
        height, width = self.shape[1:]
        if region is None:
            return 0, height, 0, width
        if len(region) != 4:
            raise ConfigError(f"region must be (y0, y1, x0, x1), got {region}.")
        y0, y1, x0, x1 = (int(v) if math.isfinite(v) else -1 for v in region)
        if not ((y0, y1, x0, x1) == tuple(region) and 0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
            raise ConfigError(
                f"region must be whole pixels (y0, y1, x0, x1) with 0 <= y0 < y1 <= {height} and "
                f"0 <= x0 < x1 <= {width}, got {region}."
            )
        return y0, y1, x0, x1


def _reach(start: int, stop: int, size: int) -> tuple[float, float]:
    """Positions that a tile's span draws: its pixels, and at the section's borders all that is beyond.

    The last pixel of a zoomed-out view may be centred a little outside the section.
    """
    return (start - 0.5 if start > 0 else -math.inf), (stop - 0.5 if stop < size else math.inf)


def _covered(first_px: float, n_output: int, zoom: float, reach: tuple[float, float]) -> tuple[slice, FloatArray]:
    """Output pixels centred within ``reach`` of the section, half-open, and those centres in section pixels."""
    centres = first_px - 0.5 + (np.arange(n_output, dtype=np.float64) + 0.5) / zoom
    inside = np.flatnonzero((centres >= reach[0]) & (centres < reach[1]))
    if len(inside) == 0:
        return slice(0, 0), np.empty(0, np.float32)
    chosen = slice(int(inside[0]), int(inside[-1]) + 1)
    return chosen, centres[chosen].astype(np.float32)
