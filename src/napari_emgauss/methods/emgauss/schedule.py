"""Training of a block as its settings have it: stages and rates, and the order in which depths are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_emgauss.gaussians import DensityConfig
from napari_emgauss.methods.emgauss.config import EmgaussConfig, MlpModelConfig
from napari_emgauss.training import Rate, Schedule, Stage

SOLVE, WARM_UP, JOINT, BOOTSTRAP = "solve", "warm-up", "joint", "bootstrap"
INTERLEAVED = (0.25, 0.5, 0.75)
"""Positions in a gap once targets leave its middle."""
GPU_SECTIONS_PER_STEP, GPU_SOLVED_PX = 4, 2**22
"""A GPU waits for its next small task more than it works, so sections are drawn together; some GiB of work at most."""


def schedule(config: EmgaussConfig, n_sections: int, extent_px: int) -> Schedule:
    """Return the stages of a block with ``n_sections`` observed and pseudo-sections whose larger side is ``extent_px``.

    Gauss-Newton steps, canonical warm-up (Φ rests), joint training, bootstrapping by a teacher.
    """
    t, unit_px = config.training, config.model.unit_px(extent_px)
    solved = t.newton_steps * n_sections if config.model.field == "anchored" else 0
    per = n_sections if config.model.iterations_per_section else 1

    def falling(start: float) -> Rate:
        return Rate(start, start * t.rate_decay)

    return Schedule(
        stages=(
            Stage(name=SOLVE, iterations=solved),
            Stage(name=WARM_UP, iterations=t.warmup * per, resting=("field",)),
            Stage(name=JOINT, iterations=t.joint * per),
            Stage(name=BOOTSTRAP, iterations=t.bootstrap * per),
        ),
        rates={
            "gaussians.mean_px": Rate(t.rate_mean * unit_px, t.rate_mean_end * unit_px),
            "gaussians.log_scale": falling(t.rate_scale),
            "gaussians.angle_rad": falling(t.rate_angle),
            "gaussians.opacity_logit": falling(t.rate_opacity),
            "gaussians.intensity": falling(t.rate_intensity),
            "field": Rate(t.rate_field, t.rate_field_end),
        },
    )


def sections_per_step(config: EmgaussConfig, device: str) -> int:
    """Return how many sections a step draws where the field allows it."""
    return config.training.sections_per_step or (1 if device == "cpu" else GPU_SECTIONS_PER_STEP)


def solved_per_step(n_px: int, device: str) -> int:
    """Return how many sections of ``n_px`` pixels a Gauss-Newton step solves side by side."""
    return 1 if device == "cpu" else max(1, GPU_SOLVED_PX // n_px)


def density_rules(config: EmgaussConfig, n_px: int) -> DensityConfig | None:
    """Return the rules of densification on a section of ``n_px`` pixels, or None."""
    model = config.model
    if not isinstance(model, MlpModelConfig) or not model.densify:
        return None
    return DensityConfig(
        start=model.densify_start,
        stop=model.densify_stop,
        reset_every=model.opacity_reset_every,
        max_gaussians=model.cap(n_px),
    )


@dataclass(frozen=True)
class Curriculum:
    """Depths that iterations draw: observed sections, and while bootstrapping more and more unobserved ones."""

    config: EmgaussConfig
    schedule: Schedule

    def jittered(self, iteration: int, z_observed: Sequence[float], index: int, rng: np.random.Generator) -> float:
        """Return the coordinate at which observed section ``index`` is drawn.

        Annealed noise on it smooths along z (Yang et al. 2024, Deformable 3D Gaussians, section 3.3).
        """
        start, end = self.config.training.z_jitter_start, self.config.training.z_jitter_end
        z = z_observed[index]
        if start <= 0:
            return z
        sigma = start + (end - start) * iteration / max(self.schedule.total - 1, 1)
        offset = sigma * rng.standard_normal()
        neighbour = min(max(index + (1 if offset > 0 else -1), 0), len(z_observed) - 1)
        return z + min(abs(offset), 1.0) * (z_observed[neighbour] - z)

    def bootstraps(self, iteration: int) -> bool:
        """Tell whether the student's moving average teaches in ``iteration``."""
        return self.config.teacher.averages_student and self.schedule.stage(iteration).name == BOOTSTRAP

    def draws_pseudo(self, iteration: int, rng: np.random.Generator) -> bool:
        """Choose whether ``iteration`` learns from the teacher."""
        if not self.bootstraps(iteration):
            return False
        low, high = self.config.teacher.pseudo_share_start, self.config.teacher.pseudo_share_end
        return bool(rng.random() < low + self._bootstrapped(iteration) * (high - low))

    def pseudo_weight(self, iteration: int) -> float:
        """Return the weight of the teacher's loss, which rises along a ramp."""
        teacher, total = self.config.teacher, self.schedule.total
        first, last = round(teacher.pseudo_ramp_start * total), round(teacher.pseudo_ramp_end * total)
        t = min(max((iteration - first) / max(last - first, 1), 0.0), 1.0)
        return teacher.pseudo_weight_start + t * (teacher.pseudo_weight_end - teacher.pseudo_weight_start)

    def unobserved(self, iteration: int, z_observed: Sequence[float], rng: np.random.Generator) -> float:
        """Choose an unobserved depth: mid-gaps in the first third of bootstrapping, interleaved, then anywhere."""
        gap = int(rng.integers(len(z_observed) - 1))
        progress = self._bootstrapped(iteration)
        u = rng.random()
        t = 0.5 if progress < 1 / 3 else INTERLEAVED[int(u * 3)] if progress < 2 / 3 else u
        return z_observed[gap] + t * (z_observed[gap + 1] - z_observed[gap])

    def _bootstrapped(self, iteration: int) -> float:
        """Share of the bootstrapping stage that is behind ``iteration``."""
        begun = self.schedule.start_of(BOOTSTRAP)
        return (iteration - begun) / max(self.schedule.total - begun, 1)
