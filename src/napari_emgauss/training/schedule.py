"""Schedules of training: named stages, and a learning rate per group of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """A learning rate that falls log-linearly from ``start`` to ``end`` over the training."""

    start: float
    end: float

    def at(self, progress: float) -> float:
        """Return rate at ``progress`` in [0, 1]."""
        if self.start <= 0 or self.end <= 0:
            return 0.0
        return math.exp((1 - progress) * math.log(self.start) + progress * math.log(self.end))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A run of iterations with a name, in which some parameters may rest."""

    name: str
    iterations: int
    resting: tuple[str, ...] = ()
    """Prefixes of the names of parameters that are not trained."""

    def rests(self, name: str) -> bool:
        """Tell whether the parameter (or group) ``name`` is not trained."""
        return name.startswith(self.resting) if self.resting else False


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Stages one after the other."""

    stages: tuple[Stage, ...]
    rates: Mapping[str, Rate]
    """Learning rate by prefix of the parameter's name; a parameter without one is not trained."""

    @property
    def total(self) -> int:
        """Iterations of all stages."""
        return sum(stage.iterations for stage in self.stages)

    def start_of(self, name: str) -> int:
        """First iteration (0-based) of the stage ``name``; raises ``KeyError`` if there is none."""
        begun = 0
        for stage in self.stages:
            if stage.name == name:
                return begun
            begun += stage.iterations
        raise KeyError(name)

    def stage(self, iteration: int) -> Stage:
        """Stage of ``iteration`` (0-based); the last one beyond the end."""
        end = 0
        for stage in self.stages:
            end += stage.iterations
            if iteration < end:
                return stage
        return self.stages[-1]

    def rate(self, prefix: str, iteration: int) -> float:
        """Learning rate of a parameter group."""
        if self.stage(iteration).rests(prefix):
            return 0.0
        return self.rates[prefix].at(iteration / max(self.total - 1, 1))
