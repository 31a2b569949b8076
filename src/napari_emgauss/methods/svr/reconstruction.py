"""What comes of slices: a field that is drawn on any grid, and the motion and weight of every slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError, UncertaintyUnavailableError
from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.forward.grid import draw_grid
from napari_emgauss.forward.pose import index_map
from napari_emgauss.forward.slices import SlicePlane
from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.io.container import write_container
from napari_emgauss.io.guard import array_bytes, check_room_in_memory
from napari_emgauss.io.stacks import NiftiVolume
from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.slices import SliceStack, WorldGrid, WorldVolume
from napari_emgauss.slices.affine import spacing_of
from napari_emgauss.slices.bias import bias_field

METHOD = "svr"
BIAS = "bias"
SLICES_AT_ONCE = 16
PLACE_WITHIN_MM = 1e-3
"""Two stacks at one place may differ by so much: affines are rounded in files."""


@dataclass(frozen=True, eq=False)
class StackShape:
    """What a model knows of a stack, without its images."""

    name: str
    shape: tuple[int, int, int]
    """Slices, rows, columns."""
    affine: AnyArray
    """Maps (slice, row, column) to the world, mm."""
    thickness_mm: float
    scale: float
    """Factor that brings its intensities to those of the result."""

    def matches(self, stack: SliceStack) -> bool:
        """Whether ``stack`` is the one."""
        return self.lies_like(stack) and abs(stack.thickness_mm - self.thickness_mm) < PLACE_WITHIN_MM

    def lies_like(self, stack: SliceStack) -> bool:
        """Whether ``stack`` has the same pixels at the same places."""
        same = stack.images.shape == self.shape and np.abs(stack.affine - self.affine).max() < PLACE_WITHIN_MM
        return bool(same)


@dataclass(frozen=True, eq=False)
class SliceReconstruction:
    """A volume from slices, as Gaussians, and what is known of all n slices, those of the first stack first.

    Parameters
    ----------
    gaussians
        The field, in its frame (mm).
    frame
        Map (4, 4) from that frame to the world.
    grid
        Where `volume` draws it by default.
    stacks
        What was measured.
    motion
        (n, 6): rotation vector in radians and translation in mm of every slice, along the world's axes and about its
        pivot, from where its file has it.
    weights
        (n,) from 0 to 1: how well it fits the others; 0 for slices without anything of the object.
    gains
        (n,) brightness of a slice by that of the volume.
    pivots
        (n, 3) what each slice turns about: the centroid of its mask, in the world, mm.
    bias
        (stacks, 9) smooth fields of brightness in that frame, each where its stack was placed; see
        `napari_emgauss.slices.bias`.
    intensity
        What amplitudes are multiplied by.
    config
        Settings.
    record
        How it was made.
    error
        Error to expect of a slice that was not measured, on a coarse grid; None if it is not known.
    """

    gaussians: SolidGaussians
    frame: AnyArray
    grid: WorldGrid
    stacks: tuple[StackShape, ...]
    motion: AnyArray
    weights: AnyArray
    gains: AnyArray
    pivots: AnyArray
    bias: AnyArray
    intensity: float
    config: SvrConfig
    record: Mapping[str, Any]
    error: WorldVolume | None = None

    @property
    def starts(self) -> list[int]:
        """Where the slices of each stack begin among all n, and n at the end."""
        return [0, *np.cumsum([stack.shape[0] for stack in self.stacks]).tolist()]

    def of_stack(self, k: int) -> slice:
        """Return where the slices of stack ``k`` are among all n."""
        return slice(self.starts[k], self.starts[k + 1])

    def volume(self, voxel_size_mm: float | None = None, *, grid: WorldGrid | None = None) -> NiftiVolume:
        """Draw the volume, in the intensities of the first stack.

        Parameters
        ----------
        voxel_size_mm
            Of an isotropic grid along the world's axes; that of the settings by default.
        grid
            Any other grid, instead.

        Raises
        ------
        ConfigError
            Both are given.
        VolumeError, OutOfMemoryError
            The voxel size is not positive, or makes more voxels than there is memory for.
        """
        if grid is not None and voxel_size_mm is not None:
            raise ConfigError(f"give voxel_size_mm or a grid, not both, got {voxel_size_mm:g} mm and a grid.")
        grid = grid or (self.grid if voxel_size_mm is None else self._grid(voxel_size_mm))
        _check_room(grid.shape, "the volume")
        own, affine = self.gaussians, np.linalg.inv(self.frame) @ grid.affine
        values = draw_grid(own.mean, own.covariance(), own.amplitude.numpy(), affine, grid.shape)
        return NiftiVolume(values * np.float32(self.intensity), grid.affine)

    def simulated(self, k: int) -> FloatArray:
        """Return stack ``k`` as the volume says that it was measured (slice, row, column), in its own intensities.

        Raises
        ------
        ConfigError
            There is no such stack.
        """
        if not 0 <= k < len(self.stacks):
            raise ConfigError(f"the stacks are counted from 0 to {len(self.stacks) - 1}, got {k}.")
        stack, of = self.stacks[k], self.of_stack(k)
        _check_room(stack.shape, f"stack {stack.name}")
        images = np.empty(stack.shape, np.float32)
        planes = self._planes(k)
        for first in range(0, len(planes), SLICES_AT_ONCE):
            cuts = Cuts(self.gaussians.mean, self.gaussians.covariance(), planes[first : first + SLICES_AT_ONCE])
            pixels = cuts.draw(self.gaussians.amplitude.numpy())
            for s in range(len(cuts.layout.shapes)):
                images[first + s] = cuts.layout.image(pixels, s) * self._field(k, first + s)
        return np.asarray(images * (self.gains[of] * self.intensity / stack.scale)[:, None, None], np.float32)

    def uncertainty(self, voxel_size_mm: float | None = None) -> NiftiVolume:
        """Return the error to expect of a slice measured anew, noise included, on the grid of `volume`.

        It is the local root mean square of what the slices leave, by as much larger as slices are worse that were
        hidden from a fit.

        Raises
        ------
        UncertaintyUnavailableError
            The model has none: its training was stopped, or ``hide_every=0``.
        """
        if self.error is None:
            raise UncertaintyUnavailableError(
                "this model has no uncertainty: that comes from slices that are hidden, at the end of a whole training "
                "with motion=True and hide_every above 0. Train again, or continue the model."
            )
        drawn = self.error.resampled(self.grid if voxel_size_mm is None else self._grid(voxel_size_mm))
        return NiftiVolume(drawn.values, drawn.affine)

    def by_weight(self) -> list[tuple[int, int, float]]:
        """Return (stack, slice, weight) of the slices that show something of the object; what fits worst is first."""
        places = [(k, s) for k, stack in enumerate(self.stacks) for s in range(stack.shape[0])]
        rows = zip(places, self.weights, strict=True)
        return sorted(((k, s, float(w)) for (k, s), w in rows if w > 0), key=lambda own: own[2])

    def fits(self, stacks: Sequence[SliceStack]) -> bool:
        """Whether it is of these stacks."""
        return len(stacks) == len(self.stacks) and all(map(StackShape.matches, self.stacks, stacks))

    def describe(self) -> str:
        """Return a line on what it was made of."""
        return "; ".join(f"{own.name}: {' × '.join(map(str, own.shape))}" for own in self.stacks)

    def save(self, path: str | Path) -> Path:
        """Write the model (``.emgauss``: safetensors with a JSON header); replaces an existing file whole."""
        return write_container(path, METHOD, self._header(), self._tensors())

    def _grid(self, voxel_size_mm: float) -> WorldGrid:
        shape = np.array(self.grid.shape) - 1
        corners = np.stack(np.meshgrid(*((0, n) for n in shape), indexing="ij"), -1).reshape(-1, 3)
        places = corners @ self.grid.affine[:3, :3].T + self.grid.affine[:3, 3]
        return WorldGrid.around(places, voxel_size_mm)

    def _planes(self, k: int) -> list[SlicePlane]:
        stack, of = self.stacks[k], self.of_stack(k)
        header, frame = torch.from_numpy(stack.affine), torch.from_numpy(self.frame)
        depths, variances = self.config.slice_profile.gaussians(spacing_of(stack.affine), stack.thickness_mm)
        blur = torch.from_numpy(variances)
        motion, pivots = torch.from_numpy(self.motion[of]), torch.from_numpy(self.pivots[of])
        matrices, offsets = index_map(motion, pivots, header.expand(len(motion), 4, 4))
        first = offsets.new_tensor([1.0, 0.0, 0.0])
        return [
            SlicePlane(
                matrix @ frame[:3, :3],
                matrix @ frame[:3, 3] + offset - s * first,
                blur,
                stack.shape[1:],
                tuple(depths),
            )
            for s, (matrix, offset) in enumerate(zip(matrices, offsets, strict=True))
        ]

    def _field(self, k: int, s: int) -> FloatArray:
        """Field of brightness on a slice (h, w)."""
        stack, shift = self.stacks[k], np.eye(4)
        shift[0, 3] = s
        placement = np.array(self.record["placements"][k], np.float64)
        return bias_field(np.linalg.inv(self.frame) @ placement @ stack.affine @ shift, stack.shape[1:], self.bias[k])

    def _header(self) -> dict[str, Any]:
        return {
            "frame": self.frame.tolist(),
            "grid": {"shape": list(self.grid.shape), "affine": self.grid.affine.tolist()},
            "stacks": [
                {
                    "name": own.name,
                    "shape": list(own.shape),
                    "affine": own.affine.tolist(),
                    "thickness_mm": own.thickness_mm,
                    "scale": own.scale,
                }
                for own in self.stacks
            ],
            "intensity": self.intensity,
            "config": self.config.to_json(),
            "record": dict(self.record),
            "error": None if self.error is None else {"affine": self.error.affine.tolist()},
        }

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.gaussians.values().items()
        for name in (*PER_SLICE_COLUMNS, BIAS):
            yield name, torch.from_numpy(np.ascontiguousarray(getattr(self, name), np.float64))
        if self.error is not None:
            yield "error", torch.from_numpy(self.error.values)


PER_SLICE_COLUMNS: dict[str, tuple[int, ...]] = {"motion": (6,), "weights": (), "gains": (), "pivots": (3,)}
"""What a model holds of every slice, by name, with its shape."""


def _check_room(shape: tuple[int, int, int], what: str) -> None:
    """Raise `OutOfMemoryError` unless there is room for what is drawn, twice: it comes in single planes of float64."""
    check_room_in_memory(2 * array_bytes(shape, 4), what=what, remedy="Choose larger voxels, or close other programs.")
