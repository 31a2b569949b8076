"""The slices that are fitted, cut out to their masks, in the frame of the reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward.cuts import PixelLayout
from napari_emgauss.forward.pose import index_map
from napari_emgauss.forward.slices import SlicePlane
from napari_emgauss.slices import SliceProfile, SliceStack
from napari_emgauss.slices.affine import transform
from napari_emgauss.slices.bias import bias_field
from napari_emgauss.slices.motion import affines, from_affines
from napari_emgauss.voxels.rounds import surroundings

NEAR = 0.3
"""Weight of pixels near a mask, not in it: they tell where the object ends, but may show what moves otherwise."""


@dataclass(frozen=True, eq=False)
class MeasuredSlice:
    """A slice, cut out to the box around its mask and what is near."""

    stack: int
    """Number of its stack."""
    index: int
    """Number in the stack."""
    row: int
    """Number among all slices of all stacks."""
    box: tuple[slice, slice]
    """Rows and columns that were cut out."""
    image: FloatArray
    """(h, w), intensities by the typical one."""
    inside: AnyArray
    """(h, w), the mask."""
    near: AnyArray
    """(h, w), the mask and what lies within a slice's thickness of it: the point spread of its pixels reaches there."""
    affine: AnyArray
    """Maps (0, row, column) of the cut-out to the frame, mm, at the place of the stack."""
    pivot: AnyArray
    """What it turns about, in the frame."""
    blur: AnyArray
    """Variances (3,) of the point spread along slice, row and column, in units of the affine's axes."""
    depths: tuple[float, ...]
    """Where the planes are whose mean it is; see `SlicePlane`."""

    def field(self, bias: AnyArray) -> FloatArray:
        """Return its stack's field of brightness (h, w), of those of all (stacks, 9)."""
        height, width = self.image.shape
        return bias_field(self.affine, (height, width), bias[self.stack])


def frame_of(reference: SliceStack) -> AnyArray:
    """Return the rigid map (4, 4) from the frame of a reconstruction to the world.

    The frame lies in the reference stack: its axes, turned to be right-handed, around the centre of its mask. So the
    result does not depend on where the stacks are in the world.
    """
    frame = np.eye(4)
    frame[:3, :3] = reference.axes.T
    if np.linalg.det(frame[:3, :3]) < 0:
        frame[:3, 0] *= -1
    frame[:3, 3] = reference.mask_centre
    return frame


@dataclass(frozen=True, eq=False)
class Measured:
    """All slices that show something.

    Parameters
    ----------
    slices
        In the order of their stacks.
    pixel_mm
        Size of the smallest pixel.
    thickness_mm
        Of the thickest slice.
    n_stacks
        All that there are.
    """

    slices: Sequence[MeasuredSlice]
    pixel_mm: float
    thickness_mm: float
    n_stacks: int

    @classmethod
    def of(
        cls,
        stacks: Sequence[SliceStack],
        placements: Sequence[AnyArray],
        frame: AnyArray,
        profile: SliceProfile,
        scales: Sequence[float],
    ) -> Measured:
        """Return the slices of stacks that were placed by rigid matrices (4, 4) in the world."""
        to_frame, found = np.linalg.inv(frame), []
        for k, (stack, placement) in enumerate(zip(stacks, placements, strict=True)):
            there = to_frame @ placement
            depths, blur = profile.gaussians(stack.spacing_mm, stack.thickness_mm)
            near = surroundings(stack, stack.thickness_mm)
            for s in stack.used:
                rows, columns = (np.flatnonzero(near[s].any(axis)) for axis in (1, 0))
                box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
                shift = np.eye(4)
                shift[:3, 3] = s, box[0].start, box[1].start
                found.append(
                    MeasuredSlice(
                        stack=k,
                        index=int(s),
                        row=sum(other.n_slices for other in stacks[:k]) + int(s),
                        box=box,
                        image=stack.images[s][box] * np.float32(scales[k]),
                        inside=stack.inside[s][box],
                        near=near[s][box],
                        affine=there @ stack.affine @ shift,
                        pivot=transform(there, stack.pivots[s]),
                        blur=blur,
                        depths=tuple(depths),
                    )
                )
        pixel_mm = min(float(stack.spacing_mm[1:].min()) for stack in stacks)
        return cls(found, pixel_mm, max(stack.thickness_mm for stack in stacks), len(stacks))

    def __len__(self) -> int:
        return len(self.slices)

    def evened(self, bias: AnyArray) -> Measured:
        """Return the slices divided by their stacks' smooth fields of brightness (stacks, 9)."""
        if not bias.any():
            return self
        return replace(self, slices=[replace(own, image=own.image / own.field(bias)) for own in self.slices])

    def field(self, bias: AnyArray) -> FloatArray:
        """Return the stacks' fields of brightness (stacks, 9) as a row of pixels."""
        return self.layout.row([own.field(bias) for own in self.slices])

    def subset(self, chosen: AnyArray) -> Measured:
        """Return some of the slices."""
        return replace(self, slices=[self.slices[int(s)] for s in chosen])

    @cached_property
    def layout(self) -> PixelLayout:
        """How all pixels lie in one row."""
        return PixelLayout([own.image.shape for own in self.slices])

    @cached_property
    def inside(self) -> FloatArray:
        """The masks as a row of pixels, 0 or 1."""
        return self.layout.row([own.inside for own in self.slices])

    @cached_property
    def weight(self) -> FloatArray:
        """How much a pixel counts where the field is fitted, as a row: 1 in the masks, `NEAR` near them, else 0."""
        return self.layout.row([np.where(own.inside, 1.0, NEAR * own.near) for own in self.slices])

    @cached_property
    def values(self) -> FloatArray:
        """The intensities as a row of pixels, 0 where no mask is near."""
        return self.layout.row([np.where(own.near, own.image, 0) for own in self.slices])

    @cached_property
    def stack_of(self) -> AnyArray:
        """Number of the stack of every slice."""
        return np.array([own.stack for own in self.slices])

    @cached_property
    def rows(self) -> AnyArray:
        """Numbers (S,) among all slices of all stacks, also those that show nothing."""
        return np.array([own.row for own in self.slices])

    @cached_property
    def pivots(self) -> AnyArray:
        """(S, 3) in the frame."""
        return np.stack([own.pivot for own in self.slices])

    def planes(self, motion: AnyArray) -> list[SlicePlane]:
        """Return the slices after a motion (S, 6) in the frame."""
        headers = torch.from_numpy(np.stack([own.affine for own in self.slices]))
        matrices, offsets = index_map(torch.from_numpy(motion), torch.from_numpy(self.pivots), headers)
        return [
            SlicePlane(matrix, offset, torch.from_numpy(own.blur), (own.image.shape[0], own.image.shape[1]), own.depths)
            for own, matrix, offset in zip(self.slices, matrices, offsets, strict=True)
        ]

    def points(self, motion: AnyArray) -> AnyArray:
        """Return where the pixels in the masks are after a motion (m, 3), in the frame."""
        moved = affines(motion, self.pivots)
        found = []
        for own, matrix in zip(self.slices, moved, strict=True):
            rows, columns = np.nonzero(own.inside)
            index = np.stack([np.zeros(len(rows)), rows, columns], 1)
            found.append(transform(matrix @ own.affine, index))
        return np.concatenate(found)


def motion_in_world(
    measured: Measured, motion: AnyArray, frame: AnyArray, stacks: Sequence[SliceStack], placements: Sequence[AnyArray]
) -> AnyArray:
    """Return the motion (S, 6) about the slices' own pivots, from where their headers have them, in the world."""
    own = np.stack([stacks[one.stack].pivots[one.index] for one in measured.slices])
    placed = np.stack([placements[one.stack] for one in measured.slices])
    moved = frame @ affines(motion, measured.pivots) @ np.linalg.inv(frame)
    return from_affines(moved @ placed, own)
