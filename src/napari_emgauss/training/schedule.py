"""When what is optimised: stages, learning rates, and how the teacher's targets enter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

INTERLEAVED = (0.25, 0.5, 0.75)
"""Positions in a gap once targets leave its middle."""


@dataclass(frozen=True)
class Rate:
    """A learning rate that falls log-linearly from ``start`` to ``end`` over the training."""

    start: float
    end: float

    def at(self, progress: float) -> float:
        """Rate at ``progress`` in [0, 1]."""
        if self.start <= 0 or self.end <= 0:
            return 0.0
        return math.exp((1 - progress) * math.log(self.start) + progress * math.log(self.end))


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Three stages: canonical warm-up (Φ frozen), joint, bootstrapping by a teacher."""

    warmup: int
    """Iterations of the canonical warm-up."""
    joint: int
    """Iterations of the joint stage; the teacher starts at its end."""
    bootstrap: int
    """Iterations of the bootstrapping stage."""
    rates: Mapping[str, Rate]
    """Learning rate by prefix of the parameter's name; a parameter without one is not trained."""
    ema_decay: float = 0.995
    """Decay of the teacher's exponential moving average per iteration."""
    use_teacher: bool = True
    """Whether bootstrapping has pseudo-supervised iterations at all."""
    pseudo_share: tuple[float, float] = (0.1, 0.5)
    """Share of pseudo-supervised iterations at the start and the end of bootstrapping."""
    pseudo_weight: tuple[float, float] = (0.1, 1.0)
    """Weight of the pseudo loss at the start and the end of its ramp."""
    pseudo_ramp: tuple[int, int] = (3000, 10_000)
    """Iterations (of the whole training) between which the weight rises."""
    z_jitter: tuple[float, float] = (0.0, 0.0)
    """Standard deviation, in gaps, of the noise on the coordinate of an observed section, at the start and the end of
    the training: annealed smoothing along z (Yang et al. 2024, Deformable 3D Gaussians, section 3.3)."""
    lambda_dssim: float = 0.2
    """Weight of 1 - SSIM in the photometric loss; L1 has the rest."""
    sections_per_step: int = 1
    """Iterations that are drawn in one pass and share a step of the optimiser, where the field allows it."""

    @property
    def total(self) -> int:
        """Iterations of all stages."""
        return self.warmup + self.joint + self.bootstrap

    def stage(self, iteration: int) -> str:
        """Name of the stage of ``iteration`` (0-based)."""
        if iteration < self.warmup:
            return "warm-up"
        return "joint" if iteration < self.warmup + self.joint else "bootstrap"

    def rate(self, prefix: str, iteration: int) -> float:
        """Learning rate of a parameter group; Φ rests during the warm-up."""
        if prefix.startswith("field") and iteration < self.warmup:
            return 0.0
        return self.rates[prefix].at(iteration / max(self.total - 1, 1))

    def weight(self, iteration: int) -> float:
        """Weight of the pseudo loss."""
        first, last = self.pseudo_ramp
        t = min(max((iteration - first) / max(last - first, 1), 0.0), 1.0)
        return self.pseudo_weight[0] + t * (self.pseudo_weight[1] - self.pseudo_weight[0])

    def jittered(self, iteration: int, z_observed: Sequence[float], index: int, rng: np.random.Generator) -> float:
        """Coordinate at which observed section ``index`` is drawn in ``iteration``."""
        start, end = self.z_jitter
        z = z_observed[index]
        if start <= 0:
            return z
        sigma = start + (end - start) * iteration / max(self.total - 1, 1)
        offset = sigma * rng.standard_normal()
        neighbour = min(max(index + (1 if offset > 0 else -1), 0), len(z_observed) - 1)
        return z + min(abs(offset), 1.0) * (z_observed[neighbour] - z)

    def draws_pseudo(self, iteration: int, rng: np.random.Generator) -> bool:
        """Whether ``iteration`` learns from the teacher."""
        if not self.use_teacher or self.stage(iteration) != "bootstrap":
            return False
        low, high = self.pseudo_share
        return bool(rng.random() < low + self._bootstrap_progress(iteration) * (high - low))

    def unobserved(self, iteration: int, z_observed: Sequence[float], rng: np.random.Generator) -> float:
        """An unobserved coordinate: mid-gaps in the first third of bootstrapping, interleaved, then anywhere."""
        gap = int(rng.integers(len(z_observed) - 1))
        progress = self._bootstrap_progress(iteration)
        u = rng.random()
        t = 0.5 if progress < 1 / 3 else INTERLEAVED[int(u * 3)] if progress < 2 / 3 else u
        return z_observed[gap] + t * (z_observed[gap + 1] - z_observed[gap])

    def _bootstrap_progress(self, iteration: int) -> float:
        return (iteration - self.warmup - self.joint) / max(self.bootstrap, 1)
