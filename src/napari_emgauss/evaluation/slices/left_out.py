"""Methods scored on a real stack that they did not see."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation.slices.methods import MethodSelection, SliceVolume, resolve_slice_methods
from napari_emgauss.evaluation.slices.results import LeftOutEvaluation, LeftOutScore
from napari_emgauss.registration import SlicePixels, register_slices, register_stack
from napari_emgauss.registration.slices import compare_slices
from napari_emgauss.registration.stacks import stack_motion
from napari_emgauss.runtime.memory import MemoryMeter
from napari_emgauss.slices import PROFILES, SliceProfile, SliceStack, WorldVolume
from napari_emgauss.voxels import SliceOperator
from napari_emgauss.voxels.averaging import object_mask
from napari_emgauss.voxels.rounds import grid_of, surroundings

_SURROUNDINGS_MM = 6.0
_ITERATIONS = 30


def leave_stack_out(
    stacks: Sequence[SliceStack],
    left_out: int,
    methods: str | Iterable[MethodSelection] = ("cg+stacks", "classical", "svr"),
    *,
    voxel_size_mm: float = 1.0,
    profile: SliceProfile = PROFILES["mri"],
    progress: Callable[[str], None] | None = None,
) -> LeftOutEvaluation:
    """Score methods by how well they predict the slices of a stack that was left out.

    Parameters
    ----------
    stacks
        Of one object, with masks.
    left_out
        Index of the one that the methods do not see.
    methods
        As `evaluate_slices` takes them.
    voxel_size_mm
        Of the reconstructions.
    profile
        Of the slices.
    progress
        Called with the name of the method that begins.

    Raises
    ------
    VolumeError
        There is no such stack, or no other one.
    """
    if not (len(stacks) > 1 and 0 <= left_out < len(stacks)):
        raise VolumeError(
            f"left_out must be the index of one of several stacks, got {left_out} of {len(stacks)}. Counted from 0."
        )
    shown, hidden = [stack for k, stack in enumerate(stacks) if k != left_out], stacks[left_out]
    grid = grid_of(shown, voxel_size_mm)
    scores = []
    for name, method in resolve_slice_methods(methods, profile):
        if progress is not None:
            progress(name)
        with MemoryMeter() as meter, meter.measuring():
            start = time.perf_counter()
            made = method(shown, grid, None)
            seconds = time.perf_counter() - start
        lying, registered, each = prediction(made.volume, _mask(shown, made), hidden, profile)
        scores.append(
            LeftOutScore(
                method=name,
                as_they_lie=lying,
                stack_registered=registered,
                slices_registered=each,
                seconds=seconds,
                memory_mib=meter.peak_above_start_mib,
            )
        )
    return LeftOutEvaluation(tuple(scores), hidden.name, len(hidden.used))


def prediction(
    volume: WorldVolume, mask: AnyArray, stack: SliceStack, profile: SliceProfile
) -> tuple[float, float, float]:
    """Return median correlations of a stack's slices: as they lie, after its registration, after that of each slice.

    Parameters
    ----------
    volume, mask
        Voxels and those of the object (z, y, x).
    stack
        What is predicted.
    profile
        Of its slices.
    """
    pixels = SlicePixels(stack, profile)
    whole = stack_motion(stack, register_stack(volume, mask, stack))
    fits = (
        compare_slices(volume, pixels, np.zeros((stack.n_slices, 6))),
        compare_slices(volume, pixels, whole),
        register_slices(volume, pixels, whole, iterations=_ITERATIONS),
    )
    lying, registered, each = (float(np.nanmedian(fit.correlations)) for fit in fits)
    return lying, registered, each


def _mask(stacks: Sequence[SliceStack], made: SliceVolume) -> AnyArray:
    """Return what of a reconstruction belongs to the object, on the reconstruction's grid."""
    around = [surroundings(stack, _SURROUNDINGS_MM) for stack in stacks]
    pixels = [SlicePixels(*pair) for pair in zip(stacks, [PROFILES["mri"]] * len(stacks), around, strict=True)]
    motion = [np.zeros((stack.n_slices, 6)) for stack in stacks] if made.motion is None else made.motion
    inside = np.concatenate([stack.inside[near] for stack, near in zip(stacks, around, strict=True)])
    return object_mask(SliceOperator(made.volume.grid, pixels, motion), inside)
