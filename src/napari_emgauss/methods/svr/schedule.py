"""Stages of a reconstruction: the same field on finer and finer lattices, with motion until the last."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.training import Schedule, Stage

MOTION, JUDGE, FINAL = "motion", "judge", "volume"
"""Names of the stages: slices find their places, hidden ones tell whether that helps, the volume is finished."""
COARSE_TO_FINE = (
    (4.0, 0.01, 1.0),
    (3.0, 0.01, 1.2),
    (2.5, 0.005, 1.6),
    (2.0, 0.003, 1.6),
    (2.0, 0.003, 1.8),
    (1.5, 0.003, 1.8),
)
"""Spacing of Gaussians by the pixel, smoothness, and over-relaxation of the slices' steps, of every round of motion.

Coarse rounds are few: a coarse field can follow slices that are wrong together. Fine fields have adapted to where the
slices are, so that a step goes less far than it should.
"""
STEPS_PER_ROUND = 8
EVENED_FROM = 2.5
"""Spacing up to which bias fields are estimated: what coarser Gaussians cannot draw looks like one."""
WITHOUT_MOTION = ((2.5, 0.005, 1.0), (1.5, 0.003, 1.0))
ROUNDS_CONTINUED = 1
"""Rounds of motion, the last ones, that a model gets whose training continues: coarser ones would undo some of it."""
JUDGED_AT = (2.0, 0.003)
"""Spacing and smoothness of the fields that hidden slices are compared with; coarser ones hardly show small motion."""


@dataclass(frozen=True)
class Round:
    """A solution for the amplitudes on one lattice, and what follows from it for motion, gains and weights."""

    first: int
    """Its first iteration."""
    n: int
    """Its conjugate gradients, one each iteration."""
    spacing: float
    """Of the lattice, by the size of a pixel."""
    smoothness: float
    relaxation: float
    """What the slices' steps are multiplied by."""
    stage: str
    edges: bool = False
    """Whether contours of the field so far are smoothed less than what is flat."""
    evens: bool = False
    """Whether bias fields are estimated at its end."""

    @property
    def moves(self) -> bool:
        """Whether slices are moved at its end."""
        return self.stage == MOTION


def rounds(config: SvrConfig, *, continued: bool = False) -> list[Round]:
    """Return all rounds in their order; the one of `JUDGE` is a single iteration without a solution."""
    coarse: tuple[tuple[float, float, float], ...] = COARSE_TO_FINE if config.motion else WITHOUT_MOTION
    if continued:
        coarse = coarse[-ROUNDS_CONTINUED:]
    finest, stage = config.spacing, MOTION if config.motion else FINAL
    plan: list[tuple[int, float, float, float, str]] = [
        (STEPS_PER_ROUND, max(spacing, finest), smoothness, relaxation, stage)
        for spacing, smoothness, relaxation in coarse
    ]
    n_coarse = len(plan)
    if (config.motion or config.bias_fields) and config.hide_every:
        plan.append((1, *JUDGED_AT, 1.0, JUDGE))
    even, *sharp = _thirds(config.solve_steps) if config.keep_edges else (config.solve_steps,)
    plan.append((even, finest, config.smoothness, 1.0, FINAL))
    found: list[Round] = []
    for n, spacing, smoothness, relaxation, name in plan:
        first = found[-1].first + found[-1].n if found else 0
        evens = config.bias_fields and len(found) < n_coarse and spacing <= EVENED_FROM
        found.append(Round(first, n, spacing, smoothness, relaxation, name, evens=evens))
    for n in sharp:
        found.append(replace(found[-1], first=found[-1].first + found[-1].n, n=n, edges=True))
    return found


def _thirds(n: int) -> list[int]:
    """Return n as a sum of three numbers, of which the first is the largest, without those that are 0."""
    return [part for part in (n - 2 * (n // 3), n // 3, n // 3) if part]


def schedule(config: SvrConfig, *, continued: bool = False) -> Schedule:
    """Return the stages as the training loop knows them; nothing is descended to, so there are no rates."""
    stages: dict[str, int] = {}
    for own in rounds(config, continued=continued):
        stages[own.stage] = stages.get(own.stage, 0) + own.n
    return Schedule(stages=tuple(Stage(name=name, iterations=n) for name, n in stages.items()), rates={})
