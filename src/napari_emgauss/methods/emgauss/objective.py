"""Objective of one block: draw sections, compare them with the observed ones and with the teacher's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.forward import NewtonTarget, SectionModel, newton_step
from napari_emgauss.gaussians import DensityConfig, DensityControl
from napari_emgauss.losses import photometric_loss
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.model import model_values
from napari_emgauss.methods.emgauss.schedule import SOLVE, Curriculum, schedule
from napari_emgauss.metrics import psnr
from napari_emgauss.training import ArrivingPreview, Descent, Hook, PlanePlacement, Preview
from napari_emgauss.training.hooks import DensityHook, MovingAverage

LOSS, PSEUDO = "loss", "pseudo"
HELD_OUT_PSNR, N_GAUSSIANS = "held_out_psnr_db", "n_gaussians"
REFINING = "refining"
"""Label of previews."""


@dataclass(frozen=True)
class SectionTarget:
    """A section of the block: coordinate and image (Y, X) in normalised intensities."""

    z: float
    image: Tensor
    weight: Tensor | None = None
    """Importance of each pixel within the image, at least 0; all the same if None."""
    predicted: bool = False
    """Whether a teacher predicted it: it then has no noise of its own."""


@dataclass(frozen=True)
class SectionSample:
    """A section to draw, and what is to be seen there."""

    z: float
    target: SectionTarget
    name: str = LOSS
    weight: float = 1.0


class SectionSolver(Descent):
    """Gauss-Newton steps of section after section in the stage `SOLVE`, descent along gradients in the others.

    Parameters
    ----------
    objective
        Of an anchored model, where its schedule has that stage.
    """

    def __init__(self, objective: SectionObjective) -> None:
        super().__init__(objective)
        self._model, self._n_sections = objective.model, len(objective.observed)
        self._lambda_dssim = objective.config.training.lambda_dssim

    def step(self, samples: Sequence[SectionSample], iteration: int) -> Sequence[Tensor | float]:
        """Make one step; the loss of a Gauss-Newton step is the mean absolute difference before it."""
        if self.objective.schedule.stage(iteration).name != SOLVE:
            return super().step(samples, iteration)
        targets = [
            NewtonTarget(s.target.image, s.target.weight, None if s.target.predicted else self._lambda_dssim)
            for s in samples
        ]
        first = iteration % self._n_sections
        return newton_step(self._model, first, targets, weights_only=iteration < self._n_sections)


class SectionObjective:
    """What the training loop needs to train one block of sections.

    Parameters
    ----------
    config
        Settings.
    model
        The block's model at its start.
    observed
        Sections, and a teacher's pseudo-sections between them, in their order.
    held_out
        Sections of the block that are scored only.
    to_unit
        From an image in the input's units to one in [0, 1], in which scores are.
    density
        Rules of densification, or None.
    at_once
        Sections per step along gradients, where the model's Gaussians can be split.
    solved_at_once
        Sections per Gauss-Newton step.
    restore
        From a rendered tensor to a CPU array in the input's units.
    origin_px
        Place (y, x) of the block's first pixel in the section.
    seed
        Seed of all that is drawn at random.
    """

    def __init__(
        self,
        config: EmgaussConfig,
        model: SectionModel,
        observed: Sequence[SectionTarget],
        *,
        held_out: Sequence[SectionTarget] = (),
        to_unit: Callable[[FloatArray], FloatArray] = lambda image: image,
        density: DensityConfig | None = None,
        at_once: int = 1,
        solved_at_once: int = 1,
        restore: Callable[[Tensor], FloatArray],
        origin_px: tuple[int, int] = (0, 0),
        seed: int = 0,
    ) -> None:
        self.config, self.model, self.observed, self.held_out = config, model, observed, held_out
        self.restore, self.origin_px, self.seed = restore, origin_px, seed
        self._to_unit = to_unit
        extent_px = max(model.shape)
        self.schedule = schedule(config, len(observed), extent_px)
        self.curriculum = Curriculum(config, self.schedule)
        self.hooks: list[Hook] = []
        self.average: MovingAverage | None = None
        if config.teacher.averages_student:
            self.average = MovingAverage(model, config.teacher.ema_decay)
            self.hooks.append(self.average)
        if density is not None:
            rules = DensityControl(density, extent_px)
            self.hooks.append(DensityHook(rules, model, "gaussians", seed=seed, average=self.average))
        self._z = [target.z for target in observed]
        self._at_once, self._solved_at_once = at_once, solved_at_once
        self._sets = model.field.split(model.gaussians)

    def solver(self) -> SectionSolver:
        """Return a solver at its start."""
        return SectionSolver(self)

    def parameters(self) -> dict[str, Tensor]:
        """Return the model's parameters, the Gaussians split into the sets of which an iteration draws only some."""
        self._sets = self.model.field.split(self.model.gaussians)
        named: dict[str, Tensor] = dict(self.model.named_parameters())
        if self._sets is None:
            return named
        own = {f"gaussians.{name}/{k}": values for k, rows in enumerate(self._sets) for name, values in rows.items()}
        return own | {name: values for name, values in named.items() if not name.startswith("gaussians.")}

    def sample(self, iteration: int, rng: np.random.Generator) -> Sequence[SectionSample]:
        """Choose sections: one where all iterations draw the same Gaussians, which need their steps one by one.

        Gauss-Newton steps go through all sections in turn, as many side by side as may be at once.
        """
        if self.schedule.stage(iteration).name == SOLVE:
            index = iteration % len(self.observed)
            return [SectionSample(target.z, target) for target in self.observed[index : index + self._solved_at_once]]
        if self.average is not None and self.curriculum.bootstraps(iteration):
            self.average.start()
        n = 1 if self._sets is None else self._at_once
        return [self._choose(i, rng) for i in range(iteration, min(iteration + n, self.schedule.total))]

    def loss(self, samples: Sequence[SectionSample], iteration: int) -> Sequence[Tensor]:
        """Draw all samples in one pass; L1 and 1 - SSIM against their targets."""
        images = self.model.several([sample.z for sample in samples], self._sets)
        return [
            photometric_loss(
                image,
                sample.target.image,
                weight=sample.target.weight,
                lambda_dssim=self.config.training.lambda_dssim,
            )
            for image, sample in zip(images, samples, strict=True)
        ]

    def scores(self) -> Mapping[str, float]:
        """Return the number of Gaussians, and the PSNR on the sections held out, as `score_held_out` has it."""
        scores = {N_GAUSSIANS: float(len(self.model.gaussians))}
        if self.held_out:
            pairs = [(self._unit(self.model.render(t.z)), self._unit(t.image)) for t in self.held_out]
            scores[HELD_OUT_PSNR] = float(np.mean([psnr(drawn, truth) for drawn, truth in pairs]))
        return scores

    def _unit(self, image: Tensor) -> FloatArray:
        return self._to_unit(self.restore(image))

    def preview(self, wanted: tuple[float, ...] | None) -> Preview | ArrivingPreview | None:
        """Draw the section at ``wanted`` (z, or z, y, x) if it lies in the block; the middle of a gap where none is."""
        y, x = self.origin_px
        if wanted is None:
            gap = (len(self._z) - 1) // 2
            z = (self._z[gap] + self._z[gap + 1]) / 2
        else:
            z = wanted[0]
            ends = ((self._z[0], self._z[-1]), (y, y + self.model.shape[0]), (x, x + self.model.shape[1]))
            if not all(low <= position <= high for position, (low, high) in zip(wanted, ends, strict=False)):
                return None
        place = PlanePlacement(origin=(z, float(y), float(x)))

        def made_of(image: Tensor) -> Preview:
            return Preview(image=self.restore(image), placement=place, label=REFINING)

        drawn = self.model.render(z)
        return made_of(drawn) if drawn.device.type == "cpu" else ArrivingPreview(drawn, made_of)

    def values(self) -> dict[str, Any]:
        """Return the coordinates and ranges of the model's sets of Gaussians."""
        return model_values(self.model)

    def _choose(self, iteration: int, rng: np.random.Generator) -> SectionSample:
        if self.average is not None and self.curriculum.draws_pseudo(iteration, rng):
            z = self.curriculum.unobserved(iteration, self._z, rng)
            weight = self.curriculum.pseudo_weight(iteration)
            return SectionSample(z, SectionTarget(z, self._taught(z)), PSEUDO, weight)
        index = int(rng.integers(len(self.observed)))
        z = self.curriculum.jittered(iteration, self._z, index, rng)
        return SectionSample(z, self.observed[index])

    def _taught(self, z: float) -> Tensor:
        """Image of the moving average at ``z``."""
        assert self.average is not None
        teacher = self.average.start()
        assert isinstance(teacher, SectionModel)
        return teacher.render(z).clone()
