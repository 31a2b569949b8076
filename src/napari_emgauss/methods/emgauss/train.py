"""Train EMGauss on a stack."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import numbers
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from napari_emgauss._version import __version__
from napari_emgauss.errors import ConfigError, OutOfMemoryError
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.examination import examined
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.preparation import (
    found_on_sections,
    with_evidence,
    with_spacing,
    with_teacher,
    with_uncertainty,
)
from napari_emgauss.methods.emgauss.presets import preset
from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
from napari_emgauss.methods.emgauss.teacher import Watch
from napari_emgauss.runtime.device import choose_device
from napari_emgauss.runtime.torch_threads import one_torch_thread
from napari_emgauss.training import CheckpointStore, Control, Event, Finished, FinishReason, Progress, run
from napari_emgauss.training.run import RunConfig
from napari_emgauss.volume import Volume

LOGGER = logging.getLogger(__name__)


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
        How often to report and save.
    start
        Reconstruction of the same stack to go on from, with its settings instead of a preset's.
    **overrides
        Any field of `EmgaussConfig`.

    Raises
    ------
    VolumeError, ConfigError, BackendUnavailableError, OutOfMemoryError
        With the value received, the rule and the remedy.
    """
    job = prepare(volume, preset=preset, device=device, seed=seed, start=start, **overrides)
    send = on_event or (lambda event: None)
    control = control or Control()
    found: dict[str, Any] | None = None
    terminal: list[Event] = []

    latest: dict[str, Progress] = {}

    def emit(event: Event) -> None:
        if isinstance(event, Progress):
            latest["progress"] = event
        # A run that is tried again with smaller tiles is not the end: only the last run's end is told.
        terminal[:] = [event] if isinstance(event, Finished) else []
        if not terminal:
            send(event)

    try:
        while True:
            check_memory(job)
            store = None if checkpoint is None else CheckpointStore(checkpoint, fingerprint(job))
            try:
                with training_threads(job):
                    found = found_on_sections(job, control, emit, store) if found is None else found
                    better, earlier = with_teacher(examined(job, found), control, emit, store)
                    job = dataclasses.replace(job, teacher=better.teacher)  # kept, should memory be short
                    better = with_spacing(with_evidence(better, control), control, store)
                    models, n_trained = run(
                        better, control=control, emit=emit, config=run_config, checkpoints=store, earlier=earlier
                    )
                    result = assemble(better, models, n_trained, preset, dtype=volume.dtype, found=found)
                    return with_uncertainty(better, result, Watch(control, send, 0, latest.get("progress")))
            except OutOfMemoryError:
                smaller = job.with_smaller_tiles()
                # What was begun with the larger tiles is never thrown away.
                begun = start is not None or (store is not None and store.exists())
                if job.device.type != "cuda" or begun or smaller.config.blocks.tile_px >= job.largest_tile_px:
                    raise
                LOGGER.warning("out of GPU memory; trying again with tiles of %d px", smaller.config.blocks.tile_px)
                torch.cuda.empty_cache()
                job = smaller
    except BaseException as error:
        if not terminal:
            terminal.append(Finished(reason=FinishReason.FAILED, iteration=0, seconds=0.0, message=str(error)))
        raise
    finally:
        for event in terminal:
            send(event)


def training_threads(job: EmgaussJob) -> AbstractContextManager[None]:
    """One torch thread where the compiled kernels do the work; the published MLP's matrices use all."""
    kernels = job.device.type == "cpu" and not job.config.model.has_network
    return one_torch_thread() if kernels else nullcontext()


def prepare(
    volume: Volume,
    *,
    preset: str = "balanced",
    device: str = "auto",
    seed: int = 0,
    start: Reconstruction | None = None,
    **overrides: Any,
) -> EmgaussJob:
    """The job that `reconstruct` would run with these arguments; raises what it would raise, but for memory."""
    config = _config(preset, overrides) if start is None else start.config.with_settings(**overrides)
    if start is not None and config.sections.correct_sections != start.config.sections.correct_sections:
        raise ConfigError(
            f"correct_sections must stay {start.config.sections.correct_sections!r} when a model is gone on with, got "
            f"{config.sections.correct_sections!r}: its sections are corrected as they were. Train a new model."
        )
    return EmgaussJob(volume, config, choose_device(device), _checked_seed(seed), start)


def _checked_seed(seed: int) -> int:
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**63:
        raise ConfigError(f"seed must be a whole number within 0..2**63 - 1, got {seed!r}.")
    return int(seed)


def _config(name: str, overrides: dict[str, Any]) -> EmgaussConfig:
    return preset(name, **overrides)  # the argument of the same name hides it in the callers


def assemble(
    job: EmgaussJob,
    models: list[Any],
    n_trained: int,
    preset_name: str,
    *,
    dtype: np.dtype[Any],
    found: Mapping[str, Any],
) -> Reconstruction:
    """A `Reconstruction` of type ``dtype`` from the trained models of a job, and what was found on its sections."""
    volume, before = job.volume, {} if job.start is None else job.start.record
    record: dict[str, Any] = {
        "program": f"napari-emgauss {__version__}",
        "preset": before.get("preset", preset_name),
        "times_continued": 0 if job.start is None else int(before.get("times_continued", 0)) + 1,
        "seed": job.seed,
        "device": str(job.device),
        "input_shape": list(volume.shape),
        "input_voxel_size_nm": list(volume.voxel_size_nm),
        "sections_held_out": list(job.config.sections.hold_out),
        "sections_left_out": list(job.config.sections.leave_out),
        "blocks_trained": f"{n_trained} of {job.n_blocks}",
        **found,
    }
    if job.teacher is not None:
        record["teacher"] = job.teacher.record()
    return Reconstruction(
        shape=volume.shape,
        voxel_size_nm=volume.voxel_size_nm,
        origin_nm=volume.origin_nm,
        dtype=dtype,
        config=job.config,
        scaling=job.scaling,
        observed=tuple(job.observed),
        plan=job.plan,
        models=tuple(models),
        record=record,
    )


def fingerprint(job: EmgaussJob) -> str:
    """Hash of settings, seed, shape, voxel size and a sample of the intensities."""
    digest = hashlib.sha256()
    settings = job.config.to_json()
    stack = [job.volume.shape, job.volume.dtype.name, job.volume.voxel_size_nm]
    digest.update(json.dumps([settings, job.seed, *stack], sort_keys=True).encode())
    for index in (job.observed[0], job.observed[len(job.observed) // 2], job.observed[-1]):
        for band in job.volume.bands():
            digest.update(job.volume.recorded(index, band).tobytes())
    if job.start is not None:
        for model in job.start.models:
            for tensor in model.state_dict().values():
                digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def estimate_memory_bytes(job: EmgaussJob) -> int:
    """Peak of training beyond the input: the largest block, its sections, weights, parameters, gradients and moments.

    A Gaussian has 8 float32 parameters, held 6 times at most (value, gradient, two moments, teacher, working copy); the
    MLP keeps its activations of every Gaussian for the backward pass; finished blocks keep their values once.
    """
    model = job.config.model
    total, peak = 0, 0
    for block in job.plan.blocks:
        y0, y1, x0, x1 = job.plan.region(block)
        start, stop = job.plan.z[block.z]
        n_px = (y1 - y0) * (x1 - x0)
        n_sets = model.n_sets(job.n_anchors(block))
        n = n_sets * model.n_at_most(n_px)
        activations = 4 * model.activations_per_gaussian * n
        peak = max(peak, 6 * 8 * 4 * n + activations + 4 * max(n_sets, stop - start) * n_px * 3)
        total += 8 * 4 * n
    return peak + total


def check_memory(job: EmgaussJob) -> None:
    """Refuse a job that cannot fit before it starts.

    Raises
    ------
    OutOfMemoryError
        The estimate exceeds the memory that is free on this machine.
    """
    need, free = estimate_memory_bytes(job), psutil.virtual_memory().available
    if job.device.type == "cpu" and need > free:
        raise OutOfMemoryError(
            f"training needs about {need / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free. "
            "Use smaller tiles (tile_px), a larger spacing_px, or a part of the stack."
        )
