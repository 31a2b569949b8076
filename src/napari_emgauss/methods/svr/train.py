"""Training on stacks of slices, one step after the other: place the stacks, fit, assemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss._version import __version__
from napari_emgauss.io.store import opened_store
from napari_emgauss.methods.svr.fitting.evidence import MotionEvidence, misfit
from napari_emgauss.methods.svr.job import SliceJob
from napari_emgauss.methods.svr.measured import motion_in_world
from napari_emgauss.methods.svr.preview import first_look
from napari_emgauss.methods.svr.reconstruction import SliceReconstruction, StackShape
from napari_emgauss.methods.svr.schedule import COARSE_TO_FINE
from napari_emgauss.methods.svr.setup import SliceSetup, prepare
from napari_emgauss.methods.svr.uncertainty import error_map
from napari_emgauss.registration import align_stacks
from napari_emgauss.runtime.torch_threads import one_torch_thread
from napari_emgauss.slices import SliceStack, WorldGrid, WorldVolume
from napari_emgauss.slices.motion import from_affines
from napari_emgauss.training import (
    Control,
    Event,
    LocalEngine,
    Notice,
    RunConfig,
    Store,
    Watch,
    noted,
    told_last,
)

PLACEMENTS = "placements"
"""Name of the record of where stacks were placed, and of the stage in which they are."""
ONE_STACK = (
    "There is one stack only: nothing was measured across its slices, so the volume is no sharper there than they are "
    "thick, and how they moved can hardly be told. Add stacks of other orientations."
)
FEW_PIXELS = 50
"""Fewer in every slice hardly tell how they moved."""
PLACED_BETTER_BY = 0.92
"""Share of the misfit of stacks as their headers place them that is left where a registration of them is believed."""
MARGIN_PX = 2.0
"""What is drawn around the masks."""


def reconstruct_slices(
    stacks: Sequence[SliceStack],
    *,
    on_event: Callable[[Event], None] | None = None,
    control: Control | None = None,
    checkpoint: str | Path | None = None,
    run_config: RunConfig | None = None,
    start: SliceReconstruction | None = None,
    known_motion: Sequence[AnyArray] | None = None,
    **settings: Any,
) -> SliceReconstruction:
    """Reconstruct the volume that stacks of thick, moving slices show.

    Parameters
    ----------
    stacks
        One or more, of any orientation, in one world (`read_stack`). The first one is the reference: the result lies
        where its slices lie on average, and has its intensities.
    on_event
        Gets every `Progress`, `Preview` and the one `Finished`, in the calling thread.
    control
        Pause, resume and stop from another thread; a stop keeps what was learned.
    checkpoint
        Folder for checkpoints. If it holds one of the same stacks and settings, training continues from it.
    run_config
        Intervals of reports and checkpoints.
    start
        Reconstruction of the same stacks to continue, with its settings.
    known_motion
        Motion of each stack's slices (n, 6), see `napari_emgauss.slices.motion`, that a tracker or another program
        found: it is kept with ``motion=False``, and refined otherwise.
    **settings
        Any setting of `SvrConfig`, by its name: ``voxel_size_mm``, ``profile``, ``motion`` …

    Raises
    ------
    VolumeError, ConfigError, OutOfMemoryError
        With the value received, the rule and the remedy.
    """
    setup = prepare(stacks, start=start, known_motion=known_motion, **settings)
    return train(setup, on_event=on_event, control=control, checkpoint=checkpoint, run_config=run_config)


def train(
    setup: SliceSetup,
    *,
    on_event: Callable[[Event], None] | None = None,
    control: Control | None = None,
    checkpoint: str | Path | None = None,
    run_config: RunConfig | None = None,
) -> SliceReconstruction:
    """Train on prepared stacks; see `reconstruct_slices`."""
    with (
        told_last(on_event) as emit,
        opened_store(checkpoint, lambda: setup.fingerprint, warn=noted(emit)) as store,
        one_torch_thread(),
    ):
        return _steps(setup, control or Control(), emit, store, run_config)


def _steps(
    setup: SliceSetup, control: Control, emit: Callable[[Event], None], store: Store, run_config: RunConfig | None
) -> SliceReconstruction:
    watch = Watch(control, emit, setup.n_iterations)
    watch.tell(PLACEMENTS, 1, 2)
    scales = [scale * setup.intensity for scale in setup.scales]
    emit(first_look(setup.stacks, scales, setup.config.voxel_size_mm))
    job = SliceJob(setup, _placements(setup, store))
    LocalEngine(run_config, watch.so_far()).run(job, store, control, watch.pass_on)
    result = assemble(job, store)
    for message in result.record["notices"]:
        emit(Notice(message=message))
    return result


def _placements(setup: SliceSetup, store: Store) -> list[AnyArray]:
    """Rigid matrices of the stacks: registered to the first, or found by an earlier run."""
    kept = store.load_record(PLACEMENTS)
    if kept is not None:
        return [np.array(matrix, np.float64) for matrix in kept[1]["matrices"]]
    stacks = setup.stacks
    matrices = [np.eye(4) for _ in stacks]
    if setup.start is not None:
        matrices = [np.array(matrix, np.float64) for matrix in setup.start.record[PLACEMENTS]]
    elif setup.config.align_stacks and setup.known_motion is None and len(stacks) > 1:
        found = align_stacks(stacks)
        # A registration can go astray, the more so where the object is round; slices find small displacements alone.
        if _coarse_misfit(setup, found) < PLACED_BETTER_BY * _coarse_misfit(setup, matrices):
            matrices = found
    store.save_record(PLACEMENTS, {"matrices": [matrix.tolist() for matrix in matrices]})
    return matrices


def _coarse_misfit(setup: SliceSetup, placements: Sequence[AnyArray]) -> float:
    measured, (spacing, smoothness, _) = setup.measured(placements), COARSE_TO_FINE[0]
    unit_mm = max(setup.config.voxel_size_mm, measured.pixel_mm)
    return misfit(measured, spacing_mm=spacing * unit_mm, smoothness=smoothness)


def assemble(job: SliceJob, store: Store) -> SliceReconstruction:
    """Return the reconstruction of what was learned."""
    setup = job.setup
    model, values = job.learned(store)
    measured = job.measured.evened(model.bias.numpy())
    counts = [stack.n_slices for stack in setup.stacks]
    rows = measured.rows
    pivots = np.concatenate([stack.pivots for stack in setup.stacks])
    placed = np.repeat(np.stack(job.placements), counts, axis=0)
    motion, weights, gains = from_affines(placed, pivots), np.zeros(len(pivots)), np.ones(len(pivots))
    motion[rows] = motion_in_world(measured, model.motion.numpy(), setup.frame, setup.stacks, job.placements)
    weights[rows], gains[rows] = model.slice_weight.numpy(), model.gain.numpy()
    places = measured.points(model.motion.numpy()) @ setup.frame[:3, :3].T + setup.frame[:3, 3]
    evidence = None if values["evidence"] is None else MotionEvidence(**values["evidence"])
    error = None
    if evidence is not None and store.is_done(0):
        map_of = error_map(measured, model, setup.frame, factor=evidence.optimism * setup.intensity)
        error = WorldVolume(map_of.values, map_of.affine)
    return SliceReconstruction(
        gaussians=model.gaussians,
        frame=setup.frame,
        grid=WorldGrid.around(places, setup.config.voxel_size_mm, margin_mm=MARGIN_PX * measured.pixel_mm),
        stacks=tuple(
            StackShape(stack.name, _shape(stack), stack.affine, stack.thickness_mm, scale * setup.intensity)
            for stack, scale in zip(setup.stacks, setup.scales, strict=True)
        ),
        motion=motion,
        weights=weights,
        gains=gains,
        pivots=pivots,
        bias=model.bias.numpy(),
        intensity=setup.intensity,
        config=setup.config,
        record=_record(job, store, evidence, values["bias_evidence"], weights, rows),
        error=error,
    )


def _shape(stack: SliceStack) -> tuple[int, int, int]:
    n, height, width = stack.images.shape
    return n, height, width


def _record(
    job: SliceJob,
    store: Store,
    evidence: MotionEvidence | None,
    bias_evidence: Mapping[str, float] | None,
    weights: AnyArray,
    rows: AnyArray,
) -> Mapping[str, Any]:
    """How it was made, and what a person should know of it."""
    setup = job.setup
    notices = [ONE_STACK] if len(setup.stacks) == 1 else []
    most = max(int(own.inside.sum()) for own in job.measured.slices)
    if most < FEW_PIXELS:
        notices.append(
            f"No slice shows more than {most} pixels of the object: that hardly tells how slices moved. Check the "
            "masks, or give motion=False (--set motion=false)."
        )
    excluded = [
        f"{setup.stacks[own.stack].name} {own.index}"
        for own, row in zip(job.measured.slices, rows, strict=True)
        if weights[row] < 0.5
    ]
    if excluded:
        notices.append(
            f"{len(excluded)} of {len(rows)} slices do not fit the others and count less than half: "
            f"{', '.join(excluded)}."
        )
    if evidence is not None and not evidence.helps:
        notices.append(
            "Slices that were hidden are predicted no better with the motion that was found within the stacks, so that "
            "slices are left where their stack lies. Set hide_every=0 (--set hide_every=0) to take it all the same."
        )
    start = setup.start
    return {
        "program": f"napari-emgauss {__version__}",
        "times_continued": 0 if start is None else int(start.record.get("times_continued", 0)) + 1,
        "completed": store.is_done(0),
        PLACEMENTS: [matrix.tolist() for matrix in job.placements],
        "evidence": None if evidence is None else evidence.to_json(),
        "bias_evidence": bias_evidence,
        "slices_excluded": excluded,
        "notices": notices,
    }
