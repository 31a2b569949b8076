"""Training of EMGauss on a stack, one step after the other: examine, study, train the blocks, assemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from napari_emgauss._version import __version__
from napari_emgauss.errors import JobPausedError, OutOfMemoryError
from napari_emgauss.io.store import opened_store
from napari_emgauss.methods.emgauss.draft import Draft
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.memory import check_memory, fits_gpu
from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
from napari_emgauss.methods.emgauss.setup import Setup, prepare
from napari_emgauss.methods.emgauss.shared import TILES, VolumeInBoxes, as_begun, check_shareable, describe
from napari_emgauss.methods.emgauss.study import Examined, Study, examine, study
from napari_emgauss.methods.emgauss.study.recognition import recognise
from napari_emgauss.methods.emgauss.uncertainty import with_uncertainty
from napari_emgauss.runtime.memory import is_out_of_memory
from napari_emgauss.training import (
    Control,
    DrawingEngine,
    Engine,
    Event,
    FinishReason,
    Improved,
    LocalEngine,
    Progress,
    RunConfig,
    Store,
    Watch,
    noted,
    told_last,
)
from napari_emgauss.volume import Volume

Result = TypeVar("Result")
MakeEngine = Callable[[RunConfig | None, Progress | None], Engine]
"""Makes an engine of the intervals of its reports, and the progress of what was done before the blocks."""


def reconstruct(
    volume: Volume,
    *,
    preset: str = "balanced",
    device: str = "auto",
    seed: int = 0,
    on_event: Callable[[Event], None] | None = None,
    control: Control | None = None,
    checkpoint: str | Path | None = None,
    run_config: RunConfig | None = None,
    make_engine: MakeEngine = LocalEngine,
    start: Reconstruction | None = None,
    **overrides: Any,
) -> Reconstruction:
    """Train on the observed sections of ``volume``.

    Parameters
    ----------
    volume
        Anisotropic stack (Z, Y, X).
    preset
        ``paper``, ``fast``, ``balanced`` or ``best``.
    device
        ``auto``, ``cpu`` or ``cuda``.
    seed
        Same seed, same machine: same result on the CPU.
    on_event
        Gets every `Progress`, `Preview` and the one `Finished`, in the calling thread.
    control
        Pause, resume and stop from another thread; a stop keeps what was learned.
    checkpoint
        Folder for checkpoints. If it holds one of the same stack and settings, training continues from it.
    run_config
        Intervals of reports and checkpoints.
    make_engine
        Makes what trains the blocks, of ``run_config`` and the progress before them: this process by default, or
        `training.engines.dask.DaskEngine`.
    start
        Reconstruction of the same stack to continue, with its settings instead of a preset's.
    **overrides
        Any setting of `EmgaussConfig`, by its name.

    Raises
    ------
    JobPausedError
        It was stopped while other processes trained the blocks; the same call goes on.
    VolumeError, ConfigError, BackendUnavailableError, OutOfMemoryError
        With the value received, the rule and the remedy.
    """
    setup = prepare(volume, preset=preset, device=device, seed=seed, start=start, **overrides)
    return train(
        setup,
        on_event=on_event,
        control=control,
        checkpoint=checkpoint,
        run_config=run_config,
        make_engine=make_engine,
    )


def train(
    setup: Setup,
    *,
    on_event: Callable[[Event], None] | None = None,
    on_draft: Callable[[Draft], None] | None = None,
    control: Control | None = None,
    checkpoint: str | Path | None = None,
    run_config: RunConfig | None = None,
    make_engine: MakeEngine = LocalEngine,
) -> Reconstruction:
    """Train on a prepared stack; see `reconstruct`.

    ``on_draft`` gets, once and before anything is learned, what can be drawn of the stack from then on; it gets better
    with every `Improved`.
    """
    with told_last(on_event) as emit:
        elsewhere = make_engine is not LocalEngine
        if elsewhere:
            check_shareable(setup)
        check_memory(setup, keeps_models=not elsewhere)
        opening = opened_store(checkpoint, lambda: setup.fingerprint, warn=noted(emit), keeps_unwritten=not elsewhere)
        with opening as store:

            def to_model(job: EmgaussJob, examined: Examined, watch: Watch) -> Reconstruction | None:
                if elsewhere and watch.stopped:
                    return None
                reason = make_engine(run_config, watch.so_far()).run(job, store, watch.control, watch.pass_on)
                if elsewhere and reason is FinishReason.STOPPED:
                    return None  # blocks that were not begun may be too many to be made in short
                dtype, found = setup.volume.dtype, examined.found
                result = assemble(job, store, dtype=dtype, found=found, in_memory=not elsewhere)
                return with_uncertainty(job, result, watch)

            result = _steps(setup, control or Control(), emit, on_draft or (lambda draft: None), store, to_model)
    if result is None:
        raise _paused(checkpoint)
    return result


def reconstruct_volume(
    volume: Volume,
    path: str | Path,
    *,
    checkpoint: str | Path,
    make_engine: Callable[[RunConfig | None, Progress | None], DrawingEngine],
    overwrite: bool = False,
    preset: str = "balanced",
    device: str = "auto",
    seed: int = 0,
    on_event: Callable[[Event], None] | None = None,
    control: Control | None = None,
    run_config: RunConfig | None = None,
    **overrides: Any,
) -> Path:
    """Train on the observed sections of ``volume`` and draw its isotropic volume as it comes; no model is kept.

    Each shard is drawn by a worker when the blocks that it shows are trained, and models are dropped that no other
    shard needs. The volume holds what an export of the model would.

    Parameters
    ----------
    volume, checkpoint, preset, device, seed, on_event, control, run_config, **overrides
        As for `reconstruct`.
    path
        The volume, ``.ome.zarr``.
    make_engine
        Makes the engine, as `training.engines.dask.DaskEngine`.
    overwrite
        Replace an existing volume, once the new one is whole.

    Returns
    -------
    ``path``.

    Raises
    ------
    JobPausedError
        It was stopped; the same call goes on.
    VolumeError, ConfigError, BackendUnavailableError, OutOfMemoryError, BlocksFailedError, OSError
        With the value received, the rule and the remedy.
    """
    setup = prepare(volume, preset=preset, device=device, seed=seed, **overrides)
    check_shareable(setup)
    check_memory(setup, keeps_models=False)
    with (
        told_last(on_event) as emit,
        opened_store(checkpoint, lambda: setup.fingerprint, warn=noted(emit), keeps_unwritten=False) as store,
    ):

        def to_volume(job: EmgaussJob, examined: Examined, watch: Watch) -> Path | None:
            if watch.stopped:
                return None
            engine = make_engine(run_config, watch.so_far())
            drawing = VolumeInBoxes.begin(job, store, Path(path), found=examined.found, overwrite=overwrite)
            engine.drawing = drawing
            reason = engine.run(job, store, watch.control, watch.pass_on)
            return drawing.finish(engine.each, overwrite=overwrite) if reason is FinishReason.COMPLETED else None

        result = _steps(setup, control or Control(), emit, lambda draft: None, store, to_volume)
    if result is None:
        raise _paused(checkpoint)
    return result


def _paused(folder: str | Path | None) -> JobPausedError:
    return JobPausedError(f"Stopped: what is done is kept in {folder}. The same command goes on.")


def _steps(
    setup: Setup,
    control: Control,
    emit: Callable[[Event], None],
    on_draft: Callable[[Draft], None],
    store: Store,
    train_blocks: Callable[[EmgaussJob, Examined, Watch], Result],
) -> Result:
    """Step by step; the blocks once more with smaller tiles where a GPU has no room for them."""
    describe(setup, store)
    draft = Draft(setup, store)

    def tell(event: Event) -> None:
        if isinstance(event, Improved) and event.block is not None:
            draft.trained(event.block)
        emit(event)

    watch = Watch(control, tell, setup.n_iterations)
    on_draft(draft)
    tell(Improved())
    recognise(setup.volume, store, watch)
    with setup.computing():
        examined = examine(setup, watch, store)
        draft.examined(examined.setup)
        tell(Improved())
        watch.n_iterations = examined.setup.n_iterations
        learned = _studied(examined.setup, watch, store, noted(tell))
        ready = as_begun(examined.setup, store)
        while not fits_gpu(EmgaussJob.of(ready, learned).setup):
            smaller = _with_smaller_tiles(ready, store, noted(tell))
            if smaller is None:
                break  # the count is cautious: what does not fit is seen then
            ready = smaller
        while True:
            job = EmgaussJob.of(ready, learned, watch)
            if not control.stopped:
                describe(setup, store, job.setup.plan)
            draft.planned(job.setup)
            tell(Improved())
            try:
                return train_blocks(job, examined, watch)
            except OutOfMemoryError:
                smaller = _with_smaller_tiles(ready, store, noted(tell))
                if smaller is None:
                    raise
            # Only now is nothing left of what was on the GPU: the error held it.
            del job
            torch.cuda.empty_cache()
            ready = smaller


def _studied(setup: Setup, watch: Watch, store: Store, note: Callable[[str], None]) -> Study:
    """What the sections teach; found on the CPU where a GPU has no room for it."""
    try:
        return study(setup, watch, store)
    except (RuntimeError, MemoryError) as error:
        if setup.device.type != "cuda" or not is_out_of_memory(error):
            raise
    torch.cuda.empty_cache()
    note("The GPU has no room to study the sections; the CPU does it instead, which takes longer.")
    return study(replace(setup, device=torch.device("cpu")), watch, store)


def _with_smaller_tiles(setup: Setup, store: Store, note: Callable[[str], None]) -> Setup | None:
    """The stack with smaller tiles, where a GPU had no room; None where that is no way out."""
    smaller = setup.with_smaller_tiles()
    tile_px = smaller.config.blocks.tile_px
    # What was begun with the larger tiles is never thrown away.
    begun = setup.start is not None or (store.durable and store.has_blocks())
    if setup.device.type != "cuda" or begun or tile_px >= setup.largest_tile_px:
        return None
    note(f"The GPU has no room for tiles of {setup.largest_tile_px} px; they are made {tile_px} px wide.")
    if not store.durable:
        store.clear()
    store.save_record(TILES, {"tile_px": tile_px})
    check_memory(smaller)
    return smaller


def _iterations_made(job: EmgaussJob, store: Store, block: int) -> int:
    """Return how far a block was trained."""
    if store.is_done(block):
        return job.iterations(block)
    state = store.load_state(block)
    return 0 if state is None else int(state[1]["iteration"])


def assemble(
    job: EmgaussJob, store: Store, *, dtype: np.dtype[Any], found: Mapping[str, Any], in_memory: bool = True
) -> Reconstruction:
    """Return a `Reconstruction` of type ``dtype`` from what was learned, and what was found on the sections.

    Models that are not to be in memory are read from the store when they are drawn.
    """
    setup, volume = job.setup, job.setup.volume
    before = {} if setup.start is None else setup.start.record
    n_trained = sum(store.is_done(block) for block in range(job.n_blocks))
    record: dict[str, Any] = {
        "program": f"napari-emgauss {__version__}",
        "preset": before.get("preset", setup.preset),
        "times_continued": 0 if setup.start is None else int(before.get("times_continued", 0)) + 1,
        "seed": setup.seed,
        "device": str(setup.device),
        "input_shape": list(volume.shape),
        "input_voxel_size_nm": list(volume.voxel_size_nm),
        "sections_held_out": list(setup.config.sections.hold_out),
        "sections_left_out": list(setup.config.sections.leave_out),
        "blocks_trained": f"{n_trained} of {job.n_blocks}",
        "iterations": sum(_iterations_made(job, store, block) for block in range(job.n_blocks)),
        **found,
    }
    if job.study.teacher is not None:
        record["teacher"] = job.study.teacher.record()
    return Reconstruction(
        shape=volume.shape,
        voxel_size_nm=volume.voxel_size_nm,
        origin_nm=volume.origin_nm,
        dtype=dtype,
        config=setup.config,
        scaling=setup.scaling,
        observed=tuple(setup.observed),
        plan=setup.plan,
        models=job.models(store, in_memory=in_memory),
        record=record,
    )
