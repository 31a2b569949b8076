"""Trials of the parts of a training, each for a moment on a piece of the stack."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from napari_emgauss.interpolation.lateral import LateralConfig, train_lateral
from napari_emgauss.interpolation.mixture import FusedInterpolator, Learned, Stack, assumed_evidence, joined
from napari_emgauss.interpolation.mixture.calibration import COMPARED
from napari_emgauss.interpolation.mixture.motion import SteadyMotion
from napari_emgauss.interpolation.mixture.texture import fit_texture
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.interpolation.prior import Contrast, load_prior
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.model import build_model
from napari_emgauss.methods.emgauss.objective import SectionTarget
from napari_emgauss.methods.emgauss.schedule import SOLVE
from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.methods.emgauss.study import MixtureTeacher, Study
from napari_emgauss.methods.emgauss.study.places import studied_shape, studied_stacks
from napari_emgauss.methods.emgauss.study.spacing import redrawing
from napari_emgauss.sections import choose_corrections, inspect, noise_level
from napari_emgauss.training import BlockTrainer, Stage
from napari_emgauss.volume import Volume

BUILD, BETWEEN, HIDE, STEADY, TEXTURE = "build", "between", "hide", "steady", "texture"
"""Parts of a training: Gaussians of a gap between anchors, what is predicted between two sections; of the evidence, a
section that is hidden, one that its neighbours' motion predicts, and the texture of them all."""
REDRAW, UNCERTAINTY = "redraw", "uncertainty"
"""A hidden section that is redrawn to choose the spacing, and the uncertainty of a gap."""
TRIAL_ITERATIONS = 8
"""Iterations timed per stage."""
TRIAL_S = 1.0
"""Time after which a stage is timed no longer."""
EXAMINED_SECTIONS, EXAMINED_PX = 6, 512
"""Size of what is examined."""


def trials(setup: Setup, learned: Learned, piece: Setup, stop: Callable[[], bool]) -> Iterator[tuple[str, float]]:
    """Try the parts of the training of ``setup`` on a piece, and yield their names and seconds.

    Parts that are not wanted are left out. Stages of the schedule have their own names.
    """
    hides = setup.config.uncertainty or setup.config.model.adapt_spacing
    start = time.perf_counter()
    objective = EmgaussJob(piece, Study()).build(0)
    objective.observed = _with_predicted(objective.observed, setup.n_pseudo)
    trainer = BlockTrainer(objective)
    trainer.read()
    built_s = time.perf_counter() - start
    stack = studied_stacks(piece)[0]
    yield BUILD, (_built_of_flows(setup, stack) if setup.n_pseudo else built_s) / (piece.volume.n_sections - 1)
    yield from _stages(trainer, len(objective.observed), stop)
    if setup.n_pseudo or (hides and setup.can_hide and setup.start is None):
        yield from _predictions(setup, learned, stack)
    if setup.config.model.adapt_spacing and setup.can_hide and setup.start is None:
        yield REDRAW, _redrawn(setup, stack, stop)
    if setup.config.uncertainty and setup.can_hide:
        start = time.perf_counter()
        objective.restore(objective.model.render(0.5))
        _plain(stack)
        noise_level(stack.sections[0])
        yield UNCERTAINTY, time.perf_counter() - start


def _built_of_flows(setup: Setup, stack: Stack) -> float:
    """Seconds to build a block whose motion a teacher has found already."""
    n, *shape = stack.sections.shape
    flows = np.zeros((n - 1, 2, *shape, 2), np.float16)
    start = time.perf_counter()
    build_model(
        setup.config, [float(i) for i in range(n)], stack.sections, np.random.default_rng(setup.seed), flows=flows
    )
    return time.perf_counter() - start


def _stages(trainer: BlockTrainer, n_sections: int, stop: Callable[[], bool]) -> Iterator[tuple[str, float]]:
    """Seconds of an iteration of each stage; of one too short to be timed, that of the slowest other one."""
    seconds = {stage.name: _iteration(trainer, stage, n_sections, stop) for stage in trainer.objective.schedule.stages}
    known = max((value for value in seconds.values() if value is not None), default=0.0)
    yield from ((name, known if value is None else value) for name, value in seconds.items())


def _with_predicted(targets: Sequence[SectionTarget], n_pseudo: int) -> list[SectionTarget]:
    """Have as many of the stand-ins as there are pseudo-sections be taken for such, which cost less to solve for."""
    return [replace(target, predicted=k % (n_pseudo + 1) > 0) for k, target in enumerate(targets)]


def _iteration(trainer: BlockTrainer, stage: Stage, n_sections: int, stop: Callable[[], bool]) -> float | None:
    """Seconds of an iteration of ``stage``, or None if the schedule has none in it."""
    if stage.iterations == 0:
        return None
    start = trainer.objective.schedule.start_of(stage.name)
    if stage.name != SOLVE:
        # A stage's first iterations may be cheaper than the others.
        times = _times(trainer, stage, max(start + stage.iterations // 2, 1), stop)
        return float(np.median(times)) if times else None
    # Sections are of two kinds, and the first step of each is a smaller one.
    first = _times(trainer, stage, start, stop)
    others = _times(trainer, stage, start + n_sections, stop) or first
    share = n_sections / stage.iterations
    return float(share * np.mean(first) + (1 - share) * np.mean(others)) if first else None


def _times(trainer: BlockTrainer, stage: Stage, start: int, stop: Callable[[], bool]) -> list[float]:
    """Seconds of some iterations of ``stage`` from ``start`` on."""
    trainer.iteration = start
    times: list[float] = []
    while len(times) < TRIAL_ITERATIONS and (sum(times) < TRIAL_S or len(times) < 2) and not stop():
        if trainer.done or trainer.objective.schedule.stage(trainer.iteration) is not stage:
            break
        begin, before = time.perf_counter(), trainer.iteration
        trainer.step()
        trainer.read()  # a GPU is still at work
        times.append((time.perf_counter() - begin) / (trainer.iteration - before))
    return times


def _predictions(setup: Setup, learned: Learned, stack: Stack) -> Iterator[tuple[str, float]]:
    """Seconds of what predicts between two sections, and in the place of a hidden one."""
    pair, contrast = Stack(stack.sections[:2], stack.factor), Contrast.of(stack.sections)
    everything = dict.fromkeys(learned.candidates, 1 / len(learned.candidates))
    if setup.n_pseudo:
        evidence = replace(assumed_evidence(learned), shares=everything)
        start = time.perf_counter()
        MixtureTeacher(learned, evidence, contrast).between(pair, setup.n_pseudo)
        yield BETWEEN, time.perf_counter() - start
    start = time.perf_counter()
    hidden = Stack(pair.sections, 2 * stack.factor, contrast=contrast)
    images = np.stack(list(FusedInterpolator(hidden, everything, learned).candidates(0.5).values()))
    yield HIDE, time.perf_counter() - start
    start = time.perf_counter()
    SteadyMotion(learned.candidates).see(stack, len(stack.sections) // 2, images)
    yield STEADY, time.perf_counter() - start
    start = time.perf_counter()
    fit_texture([stack])
    yield TEXTURE, time.perf_counter() - start


def _redrawn(setup: Setup, stack: Stack, stop: Callable[[], bool]) -> float:
    """Seconds to redraw a hidden section by Gaussians, as the first of the spacings that are tried."""
    images = stack.sections[:2]
    start = time.perf_counter()
    objective = redrawing(setup.config, setup.config.model.spacing_px, images, seed=setup.seed, device=setup.device)
    trainer = BlockTrainer(objective)
    built = time.perf_counter() - start
    stage = next(stage for stage in objective.schedule.stages if stage.iterations)  # is mostly enough
    seconds = _iteration(trainer, stage, len(images), stop)
    return (built + stage.iterations * (seconds or 0.0)) / len(images)


def _plain(stack: Stack) -> None:
    for name in COMPARED:
        Interpolator(stack.sections[:2], name).section(0.5)


def examination_seconds(setup: Setup) -> float:
    """Return the seconds of the look at all sections, from one at a few of them."""
    wanted, volume = setup.config.sections, setup.volume
    n, (height, width) = min(EXAMINED_SECTIONS, volume.n_sections), volume.shape[1:]
    first, seconds = (volume.n_sections - n) // 2, 0.0
    for side in (64, EXAMINED_PX):  # the first one compiles
        region = (0, min(height, side), 0, min(width, side))
        few = Volume(np.stack([volume.recorded(first + k, region) for k in range(n)]), volume.voxel_size_nm)
        damaged, seconds = list[int](), 0.0
        if wanted.leave_out_damaged:
            start = time.perf_counter()
            damaged = [quality.index for quality in inspect(few) if quality.damage]
            seconds += time.perf_counter() - start
        if wanted.correct_sections == "auto":
            start = time.perf_counter()
            choose_corrections(few, exclude=damaged)
            seconds += time.perf_counter() - start
    # The ends have no neighbours to be compared with.
    return seconds * max(volume.n_sections - 2, 1) / max(n - 2, 1)


def learning(setup: Setup, stop: Callable[[], bool]) -> tuple[Learned, float]:
    """Return the networks that predict, and the seconds in which that learns which is to learn from the stack."""
    wanted = setup.config.teacher
    learned = Learned()
    if setup.n_pseudo and wanted.prior:
        learned = Learned(prior=load_prior(setup.device), views=wanted.prior_views)
    if not setup.can_teach_lateral:
        return learned, 0.0
    times: list[float] = []

    def enough() -> bool:
        times.append(time.perf_counter())
        return stop() or len(times) > TRIAL_ITERATIONS

    config = LateralConfig(steps=wanted.lateral_steps)
    lateral = train_lateral(
        joined(studied_stacks(setup)),
        setup.volume.factor,
        config=LateralConfig(steps=4 * TRIAL_ITERATIONS),
        device=setup.device,
        should_stop=enough,
    )
    steps = (1 + config.evidence_share) * config.steps_for(math.prod(studied_shape(setup)))
    return replace(learned, lateral=lateral), float(np.median(np.diff(times))) * steps if len(times) > 1 else 0.0
