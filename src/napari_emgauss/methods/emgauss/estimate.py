"""Estimate of what a training will take on this machine, from a few iterations of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_emgauss.blocks import Block
from napari_emgauss.interpolation.lateral import LateralConfig, train_lateral
from napari_emgauss.interpolation.mixture import FusedInterpolator, Learned
from napari_emgauss.interpolation.mixture.evidence import HIDDEN
from napari_emgauss.interpolation.mixture.fusion import LATERAL, PRIOR
from napari_emgauss.interpolation.prior import load_prior
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.memory import (
    PACKED_BYTES,
    n_gaussians_at_most,
    process_peak_bytes,
)
from napari_emgauss.methods.emgauss.setup import Setup, prepare
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.methods.emgauss.study.findings import studied_shape, studied_stack
from napari_emgauss.training import BlockTrainer, Stage
from napari_emgauss.volume import Volume

TRIAL_VOXELS, TRIAL_SIDE_PX = 400_000, (64, 256)
"""Size of the piece of the stack that is tried: a whole bundle of sections, as wide as that allows."""
TRIAL_ITERATIONS = 8
"""Iterations timed per stage; their median counts."""
TRIAL_S = 1.0
"""Time after which a stage is timed no longer."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Costs of a training that was not run."""

    seconds: float
    """Duration, extrapolated from a piece of the stack in proportion to pixels and iterations."""
    memory_bytes: int
    """What the process will take at its peak: what it takes now, and what training adds by count."""
    block_bytes: int
    """What a process takes that trains one block after the other and keeps none of their models."""
    model_bytes: int
    """About the size of the model's file."""
    n_iterations: int
    """Iterations of all blocks."""
    n_blocks: int
    """Blocks: bundles of sections times tiles."""
    device: str
    """Device that was tried."""


def estimate(
    volume: Volume,
    *,
    preset: str = "balanced",
    device: str = "auto",
    stop: Callable[[], bool] = lambda: False,
    **overrides: Any,
) -> Estimate | None:
    """Try a few iterations of each stage on a piece of the stack.

    Parameters
    ----------
    volume, preset, device, **overrides
        As for `reconstruct`.
    stop
        Asked between iterations; after True nothing is estimated.

    Returns
    -------
    None when stopped.

    Raises
    ------
    VolumeError, ConfigError, BackendUnavailableError
        What `reconstruct` would raise.
    """
    setup = prepare(volume, preset=preset, device=device, **overrides)
    piece = _piece(setup)
    with setup.computing():
        costs = _try(EmgaussJob(piece, Study()), stop)
    if costs is None:
        return None
    total = sum(n * _seconds(setup, block, piece, *costs) for block, n in setup.block_sizes.items())
    if setup.n_pseudo:
        teaching = _try_teacher(setup, piece, stop)
        if teaching is None:
            return None
        total += teaching
    return Estimate(
        seconds=total,
        memory_bytes=process_peak_bytes(setup),
        block_bytes=process_peak_bytes(setup, keeps_models=False),
        model_bytes=round(PACKED_BYTES * n_gaussians_at_most(setup)),
        n_iterations=setup.n_iterations,
        n_blocks=len(setup.plan.blocks),
        device=str(setup.device),
    )


def _try(piece: EmgaussJob, stop: Callable[[], bool]) -> tuple[float, dict[str, float]] | None:
    """Seconds to build the piece's block, and of an iteration of each stage; None when stopped."""
    trainer = BlockTrainer(piece.build(0))
    trainer.step()  # compiles or loads the kernels, as building loads libraries
    trainer.read()
    start = time.perf_counter()
    piece.build(0)
    build_s = time.perf_counter() - start
    seconds_of_stage = {}
    for stage in trainer.objective.schedule.stages:
        seconds = _try_stage(trainer, stage, stop)
        if stop():
            return None
        if seconds is not None:
            seconds_of_stage[stage.name] = seconds
    return build_s, seconds_of_stage


def _try_teacher(setup: Setup, piece: Setup, stop: Callable[[], bool]) -> float | None:
    """Seconds to train the teacher and to let it predict, from a few of its steps; None when stopped."""
    stack, wanted, seconds = studied_stack(piece), setup.config.teacher, 0.0
    learned, shares = Learned(), dict[str, float]()
    if wanted.prior:
        learned, shares = Learned(prior=load_prior(setup.device), views=wanted.prior_views), {PRIOR: 1.0}
    if setup.can_teach_lateral:
        times: list[float] = []

        def enough() -> bool:
            times.append(time.perf_counter())
            return stop() or len(times) > TRIAL_ITERATIONS

        config = LateralConfig(steps=wanted.lateral_steps)
        trial = LateralConfig(steps=4 * TRIAL_ITERATIONS)
        network = train_lateral(
            stack.sections, setup.volume.factor, config=trial, device=setup.device, should_stop=enough
        )
        if stop() or len(times) < 2:
            return None
        learned, shares = replace(learned, lateral=network), shares | dict.fromkeys(LATERAL, 0.5)
        steps = (1 + config.evidence_share) * config.steps_for(math.prod(studied_shape(setup)))
        seconds = float(np.median(np.diff(times))) * steps
    if stop():
        return None
    shares = {name: share / sum(shares.values()) for name, share in shares.items()} or {"flow+blur0.7": 1.0}
    few = replace(stack, sections=stack.sections[:4], z=None)
    start = time.perf_counter()
    source = FusedInterpolator(few, shares, learned)
    for k in range(setup.n_pseudo):
        source.section((k + 1) / (setup.n_pseudo + 1))
    per_px = (time.perf_counter() - start) / math.prod(stack.sections.shape[1:])
    n_hidden = min(HIDDEN, setup.volume.n_sections - 2) if setup.can_hide else 0
    studied_px = n_hidden * math.prod(studied_shape(setup)[1:])
    return seconds + per_px * (math.prod(setup.volume.shape) + studied_px)


def _piece(setup: Setup) -> Setup:
    """The middle of the stack's first bundle, as one block; sections stand in for the pseudo-sections between them."""
    block = setup.plan.blocks[0]
    indices = setup.sections_of(block)
    stand_ins = np.linspace(0, len(indices) - 1, setup.n_anchors(block)).round().astype(int)
    trial_px = int(np.clip(math.sqrt(TRIAL_VOXELS / len(stand_ins)), *TRIAL_SIDE_PX))
    height, width = (min(side, trial_px, setup.config.blocks.tile_px) for side in setup.volume.shape[1:])
    y, x = (setup.volume.shape[1] - height) // 2, (setup.volume.shape[2] - width) // 2
    crops = [setup.volume.section(i, (y, y + height, x, x + width)) for i in indices]
    averages = setup.config.teacher.use_teacher and not setup.n_pseudo
    config = setup.config.with_settings(
        hold_out=(),
        leave_out=(),
        bundle_sections=max(setup.config.blocks.bundle_sections, len(stand_ins)),
        **({"teacher": "ema"} if averages else {"use_teacher": False}),
    )
    volume = Volume(np.stack([crops[k] for k in stand_ins]), setup.volume.voxel_size_nm)
    return Setup(volume, config, setup.device, setup.seed)


def _try_stage(trainer: BlockTrainer, stage: Stage, stop: Callable[[], bool]) -> float | None:
    """Seconds of an iteration of ``stage``, or None if the schedule has none in it."""
    if stage.iterations == 0:
        return None
    schedule = trainer.objective.schedule
    # A stage's first iterations may be cheaper than the others.
    trainer.iteration = max(schedule.start_of(stage.name) + stage.iterations // 2, 1)
    times: list[float] = []
    while len(times) < TRIAL_ITERATIONS and (sum(times) < TRIAL_S or len(times) < 2) and not stop():
        if trainer.done or schedule.stage(trainer.iteration) is not stage:
            break
        start, before = time.perf_counter(), trainer.iteration
        trainer.step()
        trainer.read()  # a GPU is still at work
        times.append((time.perf_counter() - start) / (trainer.iteration - before))
    return float(np.median(times)) if times else None


def _seconds(setup: Setup, block: Block, piece: Setup, build_s: float, seconds_of_stage: dict[str, float]) -> float:
    """Seconds of one block, from those of the piece."""
    gaps = (setup.n_anchors(block) - 1) / (piece.volume.n_sections - 1)
    share = _n_px(setup, block) / _n_px(piece, piece.plan.blocks[0])
    known = max(seconds_of_stage.values(), default=0.0)
    iterating = sum(
        stage.iterations * seconds_of_stage.get(stage.name, known) for stage in setup.schedule(block).stages
    )
    return share * (gaps * build_s + iterating)


def _n_px(setup: Setup, block: Block) -> int:
    y0, y1, x0, x1 = setup.plan.region(block)
    return (y1 - y0) * (x1 - x0)
