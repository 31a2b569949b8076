"""A trained reconstruction: renders any section coordinate, resamples, saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray, Region, Triple
from napari_emgauss.blocks import Plan, observed_coordinate
from napari_emgauss.errors import UncertaintyUnavailableError
from napari_emgauss.forward import View
from napari_emgauss.io.container import write_container
from napari_emgauss.io.guard import check_room_in_memory
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.drawing.coarse import Merged, merged
from napari_emgauss.methods.emgauss.drawing.composite import BlockModel, compose
from napari_emgauss.methods.emgauss.drawing.cuts import cut
from napari_emgauss.methods.emgauss.model import Models, model_state, packed_state, steps_of
from napari_emgauss.methods.emgauss.uncertainty_map import UncertaintyMap
from napari_emgauss.resampling.box import check_region, check_z
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.resampling.scaling import Scaling
from napari_emgauss.volume import Volume

METHOD = "emgauss"
"""Name of the method in model files."""
DRAWN_BYTES_PER_PX = 12
"""Memory that a pixel takes while it is drawn: a block's image, the section's, and the one in the input's units."""
UNCERTAINTY = "uncertainty"
"""Name of the map's tensor and of its entry in the header; all other tensors belong to blocks."""


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
        One per block of the plan; those of a file are read when they are drawn.
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
    models: Models
    record: Mapping[str, Any] = field(default_factory=dict)
    uncertainty_map: UncertaintyMap | None = None

    @property
    def n_gaussians(self) -> int:
        """Number of Gaussians of all blocks."""
        return self.models.n_gaussians

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
        """Draw a section at any coordinate.

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
        return self._compose(self.plan, self.models, z, region, zoom)

    def sketch(
        self, z: float, *, region: Region | None = None, zoom: float = 1.0, sharp: float, known: dict[float, Merged]
    ) -> FloatArray:
        """Draw a section as `render` does, but faster: Gaussians are merged where a zoom of ``sharp`` does not show it.

        Parameters
        ----------
        z, region, zoom
            As for `render`.
        sharp
            Output pixels per section pixel that the merged Gaussians have to look alike at.
        known
            What earlier calls merged; empty at first.
        """
        drawn = merged(self.plan, self.models, sharp, known) or self
        return self._compose(drawn.plan, drawn.models, z, region, zoom)

    def lines(self, zs: Sequence[float], *, axis: int, index: int) -> FloatArray | None:
        """Draw row (``axis`` 1) or column (2) ``index`` of the sections ``zs``, drawn without the rest of them.

        Returns
        -------
        float32 (len(zs), X or Y) in the input's intensity units; None where sections have to be drawn whole.

        Raises
        ------
        SectionRangeError
            As for `render`.
        """
        within = [check_z(z, self) for z in zs]
        positions = [observed_coordinate(self.observed, z) for z in within]
        image = cut(self.plan, self.models, within, positions, axis=axis, index=index)
        return None if image is None else self.scaling.restore(image)

    def _compose(
        self, plan: Plan, models: Sequence[BlockModel], z: float, region: Region | None, zoom: float
    ) -> FloatArray:
        z, view = check_z(z, self), self._view(region, zoom)
        return self.scaling.restore(compose(plan, models, view, z, observed_coordinate(self.observed, z)))

    def _view(self, region: Region | None, zoom: float) -> View:
        """Return what is drawn, if there is room for it."""
        view = View(check_region(region, self.shape[1:]), float(zoom))
        height, width = view.shape
        check_room_in_memory(
            DRAWN_BYTES_PER_PX * height * width,
            what=f"a section drawn in {height} × {width} pixels",
            remedy="Draw a region of it, or at a smaller zoom.",
        )
        return view

    @property
    def has_uncertainty(self) -> bool:
        """Whether `uncertainty` can be asked for."""
        return self.uncertainty_map is not None

    def uncertainty(self, z: float, *, region: Region | None = None, zoom: float = 1.0) -> FloatArray:
        """Return absolute error to expect of `render`, against a section cut at ``z``, that section's noise included.

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
        covered = check_region(region, self.shape[1:])
        shape = self._view(covered, zoom).shape
        position = observed_coordinate(self.observed, check_z(z, self))
        image = self.uncertainty_map.at(position, shape, covered, float(zoom))
        return np.asarray(image * np.float32(self.scaling.high - self.scaling.low), np.float32)

    def resample(self, voxel_size_nm: Triple | None = None) -> Volume:
        """Return the stack on another grid; isotropic by default, at the finer of y and x.

        Voxel k lies at depth k·dz from the centre of section 0; there are floor((n - 1)·dz_in / dz) + 1 planes, and in
        y and x floor((size - 1)·d_in / d) + 1 pixels. The type is the input's, rounded and clipped.
        """
        planes = self.planes(voxel_size_nm)
        return planes.volume(planes[:])

    def lazy(self, voxel_size_nm: Triple | None = None) -> Volume:
        """Return what `resample` does, but every plane is rendered when it is read: for volumes larger than memory."""
        return self.planes(voxel_size_nm).volume()

    def planes(self, voxel_size_nm: Triple | None = None) -> Planes:
        """Return the planes of `resample` as an array-like (Z, Y, X) that renders on demand."""
        return Planes(self, voxel_size_nm)

    def save(self, path: str | Path) -> Path:
        """Write the model (``.emgauss``: safetensors with a JSON header); replaces an existing file whole.

        `load` returns what `reconstruct` returned, number for number; models of files of format 4 and before are
        rounded when they are saved anew.
        """
        return write_container(path, METHOD, self._header(), self._tensors())

    def _header(self) -> dict[str, Any]:
        return {
            "shape": list(self.shape),
            "voxel_size_nm": list(self.voxel_size_nm),
            "origin_nm": list(self.origin_nm),
            "dtype": self.dtype.name,
            "scaling": {"low": self.scaling.low, "high": self.scaling.high},
            "config": self.config.to_json(),
            "observed": list(self.observed),
            "steps": None if (steps := steps_of(self.config)) is None else steps.to_json(),
            "blocks": [dict(values) for values in self.models.values],
            "record": dict(self.record),
            UNCERTAINTY: None if self.uncertainty_map is None else self.uncertainty_map.header(),
        }

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        steps = steps_of(self.config)
        for block, model in enumerate(self.models):
            held = model_state(model)[0] if steps is None else packed_state(model, steps)
            for name, tensor in held.items():
                yield f"{block}/{name}", tensor
        if self.uncertainty_map is not None:
            yield UNCERTAINTY, torch.from_numpy(np.ascontiguousarray(self.uncertainty_map.middle))
