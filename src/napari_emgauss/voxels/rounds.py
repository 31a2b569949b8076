"""Slice-to-volume reconstruction on voxels: registration of each slice and super-resolution, in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.registration import SlicePixels, align_stacks, register_slices
from napari_emgauss.registration.slices import compare_slices
from napari_emgauss.registration.stacks import stack_motion
from napari_emgauss.slices import PROFILES, SliceProfile, SliceStack, WorldGrid, WorldVolume, check_stacks, common_scale
from napari_emgauss.slices.motion import common_motion, moved_by
from napari_emgauss.voxels.operator import SliceOperator
from napari_emgauss.voxels.superresolution import super_resolve

_REGISTRATION_NODES = (7, 1, 1)
"""In the plane the profile is narrower than a voxel."""
_LEAST_DEVIATION = 0.02
"""Below this share of the mean intensity residuals of slices do not differ."""
_TOLERANCE = 2.5
_FEW_PIXELS = 300


@dataclass(frozen=True, eq=False)
class ClassicalSvr:
    """A volume with the poses that it was made of."""

    volume: WorldVolume
    motion: tuple[AnyArray, ...]
    """Of each stack's slices (n, 6)."""
    gains: tuple[AnyArray, ...]
    """Of each stack's slices (n,), by the first stack's brightness."""
    weights: tuple[AnyArray, ...]
    """Of each stack's slices (n,), 0 to 1."""


def surroundings(stack: SliceStack, reach_mm: float) -> AnyArray:
    """Return the mask of a stack with what lies within ``reach_mm`` of it in the same slices."""
    steps = np.ceil(reach_mm / stack.spacing_mm[1:]).astype(int)
    rows, columns = np.meshgrid(
        *(np.arange(-n, n + 1) * d for n, d in zip(steps, stack.spacing_mm[1:], strict=True)), indexing="ij"
    )
    disc = rows**2 + columns**2 <= reach_mm**2
    return np.stack([binary_dilation(one, disc) if one.any() else one for one in stack.inside])


def grid_of(stacks: Sequence[SliceStack], voxel_size_mm: float, margin_mm: float = 8.0) -> WorldGrid:
    """Return the grid around the masks of all stacks."""
    return WorldGrid.around(
        np.concatenate([stack.mask_points() for stack in stacks]), voxel_size_mm, margin_mm=margin_mm
    )


def reconstruct_known(
    stacks: Sequence[SliceStack],
    motion: Sequence[AnyArray],
    grid: WorldGrid,
    *,
    profile: SliceProfile = PROFILES["mri"],
    smoothness: float = 0.01,
    iterations: int = 30,
    weights: Sequence[AnyArray] | None = None,
    gains: Sequence[AnyArray] | None = None,
    start: WorldVolume | None = None,
) -> WorldVolume:
    """Return the super-resolved volume of slices whose poses are known.

    Parameters
    ----------
    stacks, motion
        The stacks, of one brightness, and the motion of their slices.
    grid
        Of the result.
    profile, smoothness, iterations
        See `super_resolve`.
    weights, gains
        Of each stack's slices; 1 by default.
    start
        Where conjugate gradients start.
    """
    pixels = [SlicePixels(stack, profile, surroundings(stack, stack.thickness_mm)) for stack in stacks]
    operator = SliceOperator(grid, pixels, motion)
    ones = [np.ones(stack.n_slices) for stack in stacks]
    by_gain = per_pixel(pixels, ones if gains is None else gains)
    # The measured pixels are divided by the gain; the square keeps what their noise is worth.
    square = per_pixel(pixels, ones if weights is None else weights) * by_gain**2
    values = np.asarray(np.concatenate([part.values for part in pixels]) / by_gain, np.float32)
    return super_resolve(operator, values, smoothness=smoothness, weights=square, iterations=iterations, start=start)


def per_pixel(pixels: Sequence[SlicePixels], of_slices: Sequence[AnyArray]) -> FloatArray:
    """Return a number of each slice, repeated for its pixels."""
    return np.concatenate(
        [np.repeat(numbers, np.diff(part.starts)) for part, numbers in zip(pixels, of_slices, strict=True)]
    ).astype(np.float32)


def classical_svr(
    stacks: Sequence[SliceStack],
    grid: WorldGrid | None = None,
    *,
    voxel_size_mm: float = 1.0,
    profile: SliceProfile = PROFILES["mri"],
    smoothness: float = 0.01,
    rounds: int = 6,
    robust: bool = True,
    start: Sequence[AnyArray] | None = None,
    on_round: Callable[[int, WorldVolume], None] | None = None,
) -> ClassicalSvr:
    """Reconstruct a volume from moving slices as NiftyMIC and SVRTK do: rounds of registration and super-resolution.

    Parameters
    ----------
    stacks
        In any orientations, with masks.
    grid
        Of the result; around the masks at ``voxel_size_mm`` by default.
    profile
        Of the slices.
    smoothness
        λ of the last super-resolution; earlier ones are smoother.
    rounds
        Of registration.
    robust
        Give slices that fit worse than the others less weight.
    start
        Motion of each stack's slices to start from; by default each stack is registered as a whole first.
    on_round
        Called with the number of rounds done and the volume.

    Raises
    ------
    VolumeError
        The stacks make no volume.
    """
    check_stacks(stacks)
    stacks = [stack.scaled(factor) for stack, factor in zip(stacks, common_scale(stacks), strict=True)]
    if start is None:
        start = [stack_motion(*pair) for pair in zip(stacks, align_stacks(stacks), strict=True)]
    motion = list(start)
    grid = grid or grid_of(stacks, voxel_size_mm)
    gains = [np.ones(stack.n_slices) for stack in stacks]
    weights = [np.ones(stack.n_slices) for stack in stacks]
    compared = [SlicePixels(stack, profile, n_nodes=_REGISTRATION_NODES) for stack in stacks]
    volume = None
    for done in range(rounds + 1):
        last = done == rounds
        factor = 1.0 if last else max(10.0 * 0.5**done, 1.0)
        volume = reconstruct_known(
            stacks, motion, grid, profile=profile, smoothness=factor * smoothness, weights=weights, gains=gains,
            iterations=30 if last else 12, start=volume,
        )  # fmt: skip
        if on_round is not None:
            on_round(done, volume)
        if last:
            break
        fits = [register_slices(volume, part, moved) for part, moved in zip(compared, motion, strict=True)]
        motion = fixed_gauge([fit.motion for fit in fits], motion, stacks)
        fits = [compare_slices(volume, part, moved) for part, moved in zip(compared, motion, strict=True)]
        gains = one_brightness([fit.gains for fit in fits])
        if robust:
            weights = slice_weights(volume, compared, motion, gains)
    assert volume is not None
    return ClassicalSvr(volume, tuple(motion), tuple(gains), tuple(weights))


def fixed_gauge(motion: Sequence[AnyArray], before: Sequence[AnyArray], stacks: Sequence[SliceStack]) -> list[AnyArray]:
    """Return the motion without the drift that all slices have in common since ``before``: no data can see it."""
    pivots = np.concatenate([stack.pivots for stack in stacks])
    sizes = np.concatenate([stack.inside.sum((1, 2)) for stack in stacks]).astype(float)
    drift = common_motion(np.concatenate(motion), pivots, reference=np.concatenate(before), weights=sizes)
    back = np.linalg.inv(drift)
    return [moved_by(back, one, stack.pivots) for one, stack in zip(motion, stacks, strict=True)]


def one_brightness(gains: Sequence[AnyArray]) -> list[AnyArray]:
    """Return gains whose mean is 1, within plausible bounds."""
    mean = float(np.mean(np.concatenate(gains)))
    return [np.clip(one / mean, 0.5, 2.0) for one in gains]


def slice_weights(
    volume: WorldVolume, pixels: Sequence[SlicePixels], motion: Sequence[AnyArray], gains: Sequence[AnyArray]
) -> list[AnyArray]:
    """Return how much each slice counts: those whose mean residual is far above the others' count less."""
    operator = SliceOperator(volume.grid, pixels, motion)
    values = np.concatenate([part.values for part in pixels])
    # In the volume's brightness: what has lost its signal has small residuals in its own.
    residual = np.abs(operator.forward(volume.values) - values / per_pixel(pixels, gains))
    ends = np.cumsum([0, *(part.n_pixels for part in pixels)])
    means = []
    for part, start in zip(pixels, ends, strict=False):
        counts = np.diff(part.starts)
        sums = np.add.reduceat(np.append(residual[start : start + part.n_pixels], 0), part.starts[:-1])
        means.append(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
    every = np.concatenate(means)
    every = every[np.isfinite(every)]
    middle = float(np.median(every))
    spread = max(1.4826 * float(np.median(np.abs(every - middle))), _LEAST_DEVIATION * float(np.abs(values).mean()))
    weights = []
    for one, part in zip(means, pixels, strict=True):
        # The mean over few pixels varies more: at the ends of a stack that is no sign of damage.
        usual = spread * np.sqrt(1 + _FEW_PIXELS / np.maximum(np.diff(part.starts), 1))
        weights.append(np.exp(-0.5 * (np.maximum(np.nan_to_num(one - middle), 0) / usual / _TOLERANCE) ** 2))
    return weights
