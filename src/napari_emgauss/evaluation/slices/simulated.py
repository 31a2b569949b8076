"""Methods scored on stacks that were simulated from a volume."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation.slices.methods import MethodSelection, SliceMethod, resolve_slice_methods
from napari_emgauss.evaluation.slices.results import SliceEvaluation, SliceScore
from napari_emgauss.evaluation.slices.scores import score_volume
from napari_emgauss.phantoms import Acquisition, SimulatedStacks, simulate_stacks
from napari_emgauss.runtime.memory import MemoryMeter
from napari_emgauss.slices import SliceProfile, SliceStack, WorldGrid, WorldVolume
from napari_emgauss.slices.motion import common_motion, motion_error
from napari_emgauss.voxels.rounds import grid_of

DEFAULT_SLICE_METHODS = ("mean", "scattered", "cg", "cg+stacks", "classical", "svr")
LARGE_SHARE = 0.1
"""Motion is scored on sound slices with at least this share of the pixels of the largest: of others it hardly shows."""


def evaluate_slices(
    truth: WorldVolume | SimulatedStacks,
    mask: AnyArray | None = None,
    methods: str | Iterable[MethodSelection] = DEFAULT_SLICE_METHODS,
    *,
    acquisition: Acquisition | None = None,
    known_motion: bool = False,
    profile: SliceProfile | None = None,
    voxel_size_mm: float | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> SliceEvaluation:
    """Score methods on stacks of thick, moving slices that are simulated from a volume.

    Parameters
    ----------
    truth
        An isotropic volume; or stacks that were simulated before, which ``mask``, ``acquisition`` and ``seed`` of are
        then not used.
    mask
        What belongs to the object (z, y, x); what is brighter than a tenth of the largest intensity by default.
    methods
        Names (`SLICE_METHODS`), or pairs (name, method) with a `SliceMethod`.
    acquisition
        How the stacks are acquired.
    known_motion
        Tell the methods how the slices moved.
    profile
        That the methods assume; the one of the acquisition by default.
    voxel_size_mm
        Of the reconstructions; that of the truth by default.
    seed
        Of the motion, the noise and the damage.
    progress
        Called with the name of the method that begins.

    Raises
    ------
    ConfigError
        An unknown method or an impossible acquisition.
    VolumeError
        The mask is empty, or a method returns NaN.
    """
    acquisition = acquisition or Acquisition()
    chosen = resolve_slice_methods(methods, profile or acquisition.profile)
    if isinstance(truth, SimulatedStacks):
        simulated = truth
    else:
        inside = truth.values > 0.1 * truth.values.max() if mask is None else np.asarray(mask, bool)
        if not inside.any():
            raise VolumeError("the mask is empty. Mark the object in it.")
        simulated = simulate_stacks(truth, inside, acquisition, seed=seed)
    grid = grid_of(simulated.stacks, voxel_size_mm or float(simulated.truth.spacing_mm[0]))
    scores = []
    for name, method in chosen:
        if progress is not None:
            progress(name)
        scores.append(_score(name, method, simulated, grid, known_motion))
    return SliceEvaluation(tuple(scores), known_motion, simulated.truth.values.shape, len(simulated.stacks))


def _score(
    name: str, method: SliceMethod, simulated: SimulatedStacks, grid: WorldGrid, known_motion: bool
) -> SliceScore:
    stacks = simulated.stacks
    with MemoryMeter() as meter, meter.measuring():
        start = time.perf_counter()
        made = method(stacks, grid, simulated.motion if known_motion else None)
        seconds = time.perf_counter() - start
    if not np.isfinite(made.volume.values).all():
        raise VolumeError(f"{name} returned NaN or infinite values, which cannot be scored. Fix the method.")
    degrees, mm = float("nan"), float("nan")
    gauge = None
    if made.motion is not None:
        weights = large_slices(stacks) * ~np.concatenate(simulated.corrupted)
        pivots = np.concatenate([stack.pivots for stack in stacks])
        found, true = np.concatenate(list(made.motion)), np.concatenate(simulated.motion)
        degrees, mm = motion_error(found, true, pivots, weights=weights)
        gauge = common_motion(found, pivots, reference=true, weights=weights)
    score = score_volume(made.volume, simulated.truth, simulated.mask, start=gauge)
    return SliceScore(
        method=name,
        psnr_db=score.psnr_db,
        ssim=score.ssim,
        correlation=score.correlation,
        motion_deg=degrees,
        motion_mm=mm,
        seconds=seconds,
        memory_mib=meter.peak_above_start_mib,
        weight_of_damaged=_extreme(made.weights, simulated.corrupted, stacks, damaged=True),
        weight_of_sound=_extreme(made.weights, simulated.corrupted, stacks, damaged=False),
    )


def large_slices(stacks: Sequence[SliceStack]) -> AnyArray:
    """Return 1 for slices that show enough of the object to tell their motion, else 0 (n,)."""
    sizes = np.concatenate([stack.inside.sum((1, 2)) for stack in stacks])
    return np.asarray(sizes >= LARGE_SHARE * sizes.max(), np.float64)


def _extreme(
    weights: Sequence[AnyArray] | None, corrupted: Sequence[AnyArray], stacks: Sequence[SliceStack], *, damaged: bool
) -> float:
    """Return the largest weight of a damaged slice, or the smallest of a sound one that shows enough."""
    if weights is None:
        return float("nan")
    counted = (large_slices(stacks) > 0) & (np.concatenate(list(corrupted)) == damaged)
    values = np.concatenate(list(weights))[counted]
    if not len(values):
        return float("nan")
    return float(values.max() if damaged else values.min())
