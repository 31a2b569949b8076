"""A map of Gaussians that was learned from particles."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ConfigError, ParticlesError
from napari_emgauss.forward.backprojection.map_estimate import scaled_shells
from napari_emgauss.gaussians.solid import rotation_from
from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.container import write_container
from napari_emgauss.io.particles.density_map import DensityMap
from napari_emgauss.methods.gem.config import GemConfig
from napari_emgauss.methods.gem.model import HalfModel, model_values, predicted_images
from napari_emgauss.methods.gem.resolution import MapResolution, map_resolution
from napari_emgauss.metrics.maps import half_shells, local_resolution, soft_sphere
from napari_emgauss.particles import Particles

METHOD = "gem"
"""Name of the method in model files."""
PLAIN, VOXELS, HALVES, VIEWS = "plain", "voxels", "halves", "view_changes"
EDGE_PX = 3.0
B_FACTOR_FROM_ANGSTROM = 10.0
"""B-factors are estimated from this resolution on, or from the coarsest third where that is not reached."""
TABLE_HEADER = (
    "half",
    "x_angstrom",
    "y_angstrom",
    "z_angstrom",
    "sigma_1",
    "sigma_2",
    "sigma_3",
    "qw",
    "qz",
    "qy",
    "qx",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class GaussianMap:
    """A density map as 3D Gaussians, one set for each half of the particles.

    Attributes
    ----------
    pixel_size_angstrom
        Side of a voxel of `map`.
    config
        Settings it was trained with.
    models
        Those of both halves.
    factors
        What images that were not trained on multiply the shells 0 .. n / 2 of the maps of Gaussians (row 0) and of
        voxels (row 1) by: (2, n / 2 + 1).
    plain
        Half maps of a plain back-projection, which the resolution is measured against.
    voxels
        Most probable half maps of voxels, which are mixed into those of Gaussians.
    halves
        Half set (n,), 0 or 1, of every particle.
    view_changes
        By how much the particles' views were refined (n, 6), see `Particles.with_changed_views`; None if they were not.
    record
        How it was made: plain JSON values.
    """

    pixel_size_angstrom: float
    config: GemConfig
    models: tuple[HalfModel, HalfModel]
    factors: npt.NDArray[np.float64]
    plain: tuple[FloatArray, FloatArray]
    voxels: tuple[FloatArray, FloatArray]
    halves: npt.NDArray[np.int64]
    view_changes: npt.NDArray[np.float64] | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def box_px(self) -> int:
        """Side of the map in voxels."""
        return self.models[0].box_px

    @property
    def n_gaussians(self) -> int:
        """Gaussians of both halves, without their copies by symmetry."""
        return len(self.models[0]) + len(self.models[1])

    @property
    def share_of_voxels(self) -> npt.NDArray[np.float64]:
        """Per shell 0 .. n / 2, the part 0..1 of both factors that is the voxels'."""
        total = self.factors.sum(0)
        share: npt.NDArray[np.float64] = np.divide(self.factors[1], total, out=np.zeros_like(total), where=total > 0)
        return share

    def map(self, *, b_factor: float | Literal["auto"] | None = None) -> DensityMap:
        """Return the map: the mean of both halves.

        Parameters
        ----------
        b_factor
            Sharpening for display: amplitudes are multiplied by exp(-B s² / 4), B in Å², negative to sharpen, up to the
            resolution. ``auto`` estimates it; None does none.
        """
        values = 0.5 * (self._half_values[0] + self._half_values[1])
        if b_factor is not None:
            values = self._sharpened(values, b_factor)
        return self._as_map(values)

    def half_maps(self) -> tuple[DensityMap, DensityMap]:
        """Return the maps of both halves, neither of which has seen an image of the other."""
        return self._as_map(self._half_values[0]), self._as_map(self._half_values[1])

    def plain_half_maps(self) -> tuple[DensityMap, DensityMap]:
        """Return the plain back-projections of both halves, unfiltered."""
        return self._as_map(self.plain[0]), self._as_map(self.plain[1])

    def resolution(self) -> MapResolution:
        """Return correlations of the halves, and the resolution that the cross-correlation gives."""
        return self._resolution

    def images(self, particles: Particles, indices: Sequence[int]) -> FloatArray:
        """Return what some particles would show without noise (k, box, box): Gaussians at their poses, with their CTFs.

        Raises
        ------
        ParticlesError
            The particles have another box or pixel size.
        """
        sides = particles.box_px, particles.box_pixel_size_angstrom
        if sides[0] != self.box_px or not np.isclose(sides[1], self.pixel_size_angstrom):
            raise ParticlesError(
                f"particles must have the map's box of {self.box_px} px of {self.pixel_size_angstrom:g} Å, got "
                f"{sides[0]} px of {sides[1]:g} Å. Read them with box_px={self.box_px}."
            )
        return predicted_images(self.models, particles, indices)

    def refined(self, particles: Particles) -> Particles:
        """Return the particles that the map was made of with their refined views; as they are if none were taken.

        Raises
        ------
        ParticlesError
            Their number is not that of the particles it was made of.
        """
        if len(particles) != len(self.halves):
            raise ParticlesError(f"the map was made of {len(self.halves)} particles, got {len(particles)}. Use these.")
        return particles if self.view_changes is None else particles.with_changed_views(self.view_changes)

    def local_resolution(self, *, threshold: float = 0.5) -> DensityMap:
        """Return the resolution in Å around every voxel, from Gaussians of one half and the plain map of the other."""
        ways = [
            local_resolution(self._half_values[i], self.plain[1 - i], self.pixel_size_angstrom, threshold=threshold)
            for i in (0, 1)
        ]
        return self._as_map(np.maximum(*ways))

    def write_gaussians(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a table (.csv) of all Gaussians: half, centre and standard deviations in Å, quaternion, peak.

        Raises
        ------
        FileExistsError, OSError
            It exists and may not be replaced, or cannot be written.
        """
        with (
            replacing(Path(path), overwrite=overwrite, n_bytes=0) as temporary,
            temporary.open("x", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow([*TABLE_HEADER, "peak"])
            writer.writerows([f"{value:.6g}" for value in row] for row in self.gaussian_table())
        return Path(path)

    def gaussian_table(self) -> npt.NDArray[np.float64]:
        """Return all Gaussians (n, 12): half, x y z and three standard deviations in Å, quaternion w z y x, peak.

        The quaternion turns the axes z, y, x; the origin is voxel box // 2.
        """
        rows = []
        for number, model in enumerate(self.models):
            own = {name: value.double() for name, value in model.gaussians.values().items()}
            peak = own["amplitude"].abs() if model.positive else own["amplitude"]
            centre = own["mean"].flip(1) * self.pixel_size_angstrom
            sigma = torch.exp(own["log_scale"]) * self.pixel_size_angstrom
            turn = torch.nn.functional.normalize(own["quaternion"], dim=1)
            half = torch.full((len(peak), 1), float(number), dtype=torch.float64)
            rows.append(torch.cat([half, centre, sigma, turn, 0.5 * peak[:, None]], 1))
        table: npt.NDArray[np.float64] = torch.cat(rows).numpy()
        return table

    def principal_axes(self) -> FloatArray:
        """Return the axes (n, 3, 3) of all Gaussians in voxels, rows z, y, x scaled by their standard deviations."""
        axes = [
            rotation_from(model.gaussians.quaternion.detach()).transpose(1, 2)
            * torch.exp(model.gaussians.log_scale.detach())[:, :, None]
            for model in self.models
        ]
        return np.asarray(torch.cat(axes).numpy(), np.float32)

    def save(self, path: str | Path) -> Path:
        """Write the model (``.emgauss``); replaces an existing file whole. `load` returns it.

        Raises
        ------
        ConfigError
            Another suffix.
        OSError
            The file cannot be written.
        """
        return write_container(path, METHOD, self._header(), self._tensors())

    @cached_property
    def _half_values(self) -> tuple[FloatArray, FloatArray]:
        first, second = (
            mixed([model.map(), voxels], self.factors) for model, voxels in zip(self.models, self.voxels, strict=True)
        )
        return first, second

    @cached_property
    def _resolution(self) -> MapResolution:
        return map_resolution(self._half_values, self.plain, self.pixel_size_angstrom, directional=True)

    def _as_map(self, values: FloatArray) -> DensityMap:
        return DensityMap(values, self.pixel_size_angstrom, metadata={"method": METHOD, "record": dict(self.record)})

    def _sharpened(self, values: FloatArray, b_factor: float | str) -> FloatArray:
        n, resolution = self.box_px, self._resolution.angstrom
        s = np.arange(n // 2 + 1) / (n * self.pixel_size_angstrom)
        if b_factor == "auto":
            b = estimated_b_factor(values, self.pixel_size_angstrom, resolution)
        elif isinstance(b_factor, str):
            raise ConfigError(f"b_factor must be a number, 'auto' or None, got {b_factor!r}.")
        else:
            b = float(b_factor)
        gains = np.exp(-0.25 * b * s**2)
        return scaled_shells(values, np.where(s <= 1 / resolution, gains, 0) if np.isfinite(resolution) else gains)

    def _header(self) -> dict[str, Any]:
        return {
            "pixel_size_angstrom": self.pixel_size_angstrom,
            "config": self.config.to_json(),
            "models": [model_values(model) for model in self.models],
            "factors": self.factors.tolist(),
            "record": dict(self.record),
        }

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for number, model in enumerate(self.models):
            for name, tensor in model.state_dict().items():
                yield f"{number}/{name}", tensor
            for name, values in ((PLAIN, self.plain[number]), (VOXELS, self.voxels[number])):
                yield f"{number}/{name}", torch.from_numpy(np.ascontiguousarray(values, np.float32))
        yield HALVES, torch.from_numpy(self.halves.astype(np.uint8))
        if self.view_changes is not None:
            yield VIEWS, torch.from_numpy(self.view_changes)


def molecule_sphere(config: GemConfig, box_px: int) -> FloatArray:
    """Return the soft sphere (n, n, n) that holds the molecule."""
    return soft_sphere(box_px, config.mask_radius * box_px / 2 - EDGE_PX / 2, EDGE_PX)


def mixed(sources: Sequence[FloatArray], factors: npt.NDArray[np.float64]) -> FloatArray:
    """Return the sum of maps whose shells are multiplied by the factors of each (sources, n / 2 + 1)."""
    parts = [scaled_shells(source, own) for source, own in zip(sources, factors, strict=True) if own.any()]
    return np.asarray(np.sum(parts, axis=0) if parts else np.zeros_like(sources[0]), np.float32)


def estimated_b_factor(values: FloatArray, pixel_size_angstrom: float, resolution_angstrom: float) -> float:
    """Return B in Å², at most 0, that levels a map's amplitudes up to its resolution (the slope of Guinier's plot)."""
    n = values.shape[0]
    spectrum, shell = np.abs(np.fft.rfftn(values)) ** 2, np.rint(half_shells(n)).astype(np.intp)
    inside = shell <= n // 2
    power = np.bincount(shell[inside], spectrum[inside]) / np.bincount(shell[inside])
    s = np.arange(n // 2 + 1) / (n * pixel_size_angstrom)
    last = 1 / resolution_angstrom if np.isfinite(resolution_angstrom) else s[-1]
    first = min(1 / B_FACTOR_FROM_ANGSTROM, last / 3)
    used = (s >= first) & (s <= last) & (power > 0)
    if used.sum() < 3:
        return 0.0
    slope = np.polyfit(s[used] ** 2, 0.5 * np.log(power[used]), 1)[0]
    return min(4 * float(slope), 0.0)
