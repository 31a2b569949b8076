"""A stack of thick slices with its place in space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.slices.affine import check_affine, spacing_of, transform

MIN_SLICES = 6
"""Fewer slices than this do not make a volume."""
MAX_THICKNESS_SPACINGS = 20.0
"""Slices are at most this many times as thick as they are apart."""


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Parallel slices (n, h, w) in space.

    Parameters
    ----------
    images
        Intensities (slice, row, column), float32, finite.
    affine
        4 × 4; maps an index (slice, row, column) to world millimetres (RAS), the centre of a voxel. Its axes are
        orthogonal and may point anywhere; flips are fine. Note the order: a NIfTI file's own affine maps (i, j, k),
        which is (column, row, slice) as a rule.
    thickness_mm
        Thickness of a slice. It is not the spacing: slices may overlap, or leave gaps.
    mask
        What belongs to the object (n, h, w); None for everything.
    name
        Named in messages and in lists.

    Raises
    ------
    VolumeError
        Something of this is not as it should be.
    """

    images: FloatArray
    affine: AnyArray
    thickness_mm: float
    mask: AnyArray | None = None
    name: str = "stack"

    def __post_init__(self) -> None:
        images = np.ascontiguousarray(self.images, np.float32)
        if images.ndim != 3 or 0 in images.shape:
            raise VolumeError(
                f"{self.name}: slices are (slice, row, column), got the shape {images.shape}. "
                "Pick one echo, channel or time point."
            )
        if bad := int(images.size - np.isfinite(images).sum()):
            raise VolumeError(
                f"{self.name} has {bad} NaN or infinite intensities; they must be finite. Replace them, for example "
                "with numpy.nan_to_num."
            )
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "affine", check_affine(self.affine, self.name))
        object.__setattr__(self, "thickness_mm", self._checked_thickness())
        if self.mask is not None:
            mask = np.asarray(self.mask)
            if mask.shape != images.shape:
                raise VolumeError(
                    f"{self.name}: the mask has the shape {mask.shape}, its slices {images.shape}; they must be the "
                    "same. Draw it on this stack, or give it as a file with an affine, which is resampled."
                )
            object.__setattr__(self, "mask", np.ascontiguousarray(mask != 0))
            if not (mask != 0).any():
                raise VolumeError(f"{self.name}: the mask is empty. Mark the object in it, or leave it out.")

    def _checked_thickness(self) -> float:
        spacing = float(spacing_of(self.affine)[0])
        try:
            thickness = float(self.thickness_mm)
        except (TypeError, ValueError):
            thickness = math.nan
        if not 0 < thickness <= MAX_THICKNESS_SPACINGS * spacing:
            raise VolumeError(
                f"{self.name}: thickness_mm must be positive and at most {MAX_THICKNESS_SPACINGS:g} times the spacing "
                f"of the slices ({spacing:g} mm), got {self.thickness_mm!r}. The scanner's protocol states it."
            )
        return thickness

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return len(self.images)

    @property
    def spacing_mm(self) -> AnyArray:
        """Distance between neighbours along (slice, row, column), mm."""
        return spacing_of(self.affine)

    @property
    def axes(self) -> AnyArray:
        """Unit vectors (3, 3) in space, one a row: along increasing slice (the normal), row and column."""
        return np.asarray((self.affine[:3, :3] / self.spacing_mm).T)

    @property
    def normal(self) -> AnyArray:
        """Unit vector towards the next slice."""
        return np.asarray(self.axes[0])

    @property
    def centre(self) -> AnyArray:
        """Middle of the stack, mm."""
        return self.world((np.array(self.images.shape) - 1) / 2)

    @cached_property
    def inside(self) -> AnyArray:
        """The mask as an array, all True where there is none."""
        return np.ones(self.images.shape, bool) if self.mask is None else self.mask

    @cached_property
    def pivots(self) -> AnyArray:
        """What each slice turns about (n, 3), mm: the centroid of its mask; the mask's own in slices without any."""
        n, height, width = self.images.shape
        counts = self.inside.sum((1, 2))
        rows = self.inside.sum(2) @ np.arange(height)
        columns = self.inside.sum(1) @ np.arange(width)
        some = np.maximum(counts, 1)
        at = np.stack([np.arange(n), rows / some, columns / some], 1)
        at[counts == 0, 1:] = rows.sum() / counts.sum(), columns.sum() / counts.sum()
        return self.world(at)

    @cached_property
    def used(self) -> AnyArray:
        """Indices of the slices in which there is something of the object."""
        return np.flatnonzero(self.inside.any((1, 2)))

    @property
    def mask_centre(self) -> AnyArray:
        """Centroid of the mask, mm."""
        return np.asarray(np.average(self.pivots, axis=0, weights=self.inside.sum((1, 2))))

    @property
    def acquisition_order(self) -> AnyArray:
        """The slices in the order in which interleaved protocols take them: even ones, then odd ones."""
        return np.concatenate([np.arange(0, self.n_slices, 2), np.arange(1, self.n_slices, 2)])

    def world(self, indices: AnyArray) -> AnyArray:
        """Return where (slice, row, column) indices (…, 3) are, mm."""
        return transform(self.affine, indices)

    def indices(self, points_mm: AnyArray) -> AnyArray:
        """Return the fractional (slice, row, column) of points (…, 3)."""
        return transform(np.linalg.inv(self.affine), points_mm)

    def mask_points(self) -> AnyArray:
        """Return where the pixels in the mask are (n, 3), mm; in the order of ``images[inside]``."""
        return self.world(np.argwhere(self.inside))

    def moved(self, matrix: AnyArray) -> SliceStack:
        """Return the stack at another place: after a rigid matrix (4, 4)."""
        return replace(self, affine=matrix @ self.affine)

    def scaled(self, factor: float) -> SliceStack:
        """Return the stack with all intensities multiplied."""
        return replace(self, images=self.images * np.float32(factor))

    def without(self, slices: AnyArray) -> SliceStack:
        """Return the stack whose mask leaves some slices out."""
        mask = self.inside.copy()
        mask[slices] = False
        return replace(self, mask=mask)

    def describe(self) -> str:
        """Return a line like 'axial: 22 slices of 320 × 320, 1.12 × 1.12 mm, 3.3 mm apart, 3 mm thick'."""
        n, height, width = self.images.shape
        apart, dy, dx = self.spacing_mm
        masked = "" if self.mask is None else f", {len(self.used)} in the mask"
        return (
            f"{self.name}: {n} slices of {height} × {width}, {dy:.3g} × {dx:.3g} mm, {apart:.3g} mm apart, "
            f"{self.thickness_mm:.3g} mm thick{masked}"
        )


def check_stacks(stacks: Sequence[SliceStack]) -> None:
    """Raise `VolumeError` unless the stacks can make one volume: enough slices, masks that share a place."""
    if not stacks:
        raise VolumeError("no stacks were given. Give at least one; three in different orientations are usual.")
    n_used = sum(len(stack.used) for stack in stacks)
    if n_used < MIN_SLICES:
        raise VolumeError(
            f"a volume needs at least {MIN_SLICES} slices with something of the object, got {n_used}. "
            "Check the masks, or add stacks."
        )
    boxes = [_box(stack) for stack in stacks]
    first = boxes[0]
    for stack, (low, high) in zip(stacks[1:], boxes[1:], strict=True):
        if (np.minimum(high, first[1]) <= np.maximum(low, first[0])).any():
            raise VolumeError(
                f"{stack.name} and {stacks[0].name} have nothing in common in space: {_extent(low, high)} against "
                f"{_extent(*first)} mm. Check their affines (both must be in one world), or their masks."
            )


def common_scale(stacks: Sequence[SliceStack]) -> list[float]:
    """Return the factors that bring the mean intensity in each mask to that of the first stack's."""
    means = [float(np.mean(stack.images[stack.inside], dtype=np.float64)) for stack in stacks]
    if not all(mean > 0 for mean in means):
        return [1.0] * len(means)
    return [means[0] / mean for mean in means]


def _box(stack: SliceStack) -> tuple[AnyArray, AnyArray]:
    points = stack.mask_points()
    reach = stack.thickness_mm / 2
    return points.min(0) - reach, points.max(0) + reach


def _extent(low: AnyArray, high: AnyArray) -> str:
    return " × ".join(f"{a:.4g}..{b:.4g}" for a, b in zip(low, high, strict=True))
