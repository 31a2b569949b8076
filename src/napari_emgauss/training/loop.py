"""Optimise one block: the only training loop, for every method."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.forward import SectionModel
from napari_emgauss.forward.fields import Rows
from napari_emgauss.gaussians import DensityControl, Gaussians
from napari_emgauss.losses import photometric_loss
from napari_emgauss.training.control import Control
from napari_emgauss.training.optimiser import (
    adam_state,
    apply_surgery,
    load_adam_state,
    make_adam,
    set_rates,
    trained_parameters,
)
from napari_emgauss.training.schedule import Schedule
from napari_emgauss.training.teacher import EmaTeacher

SMOOTHING = 0.95
"""Decay of the running mean of the reported losses."""


@dataclass(frozen=True)
class Target:
    """A section of the block: coordinate and image (Y, X) in normalised intensities."""

    z: float
    image: Tensor
    weight: Tensor | None = None
    """How much each pixel counts within the image, at least 0; all the same if None."""


@dataclass
class BlockTask:
    """What a method hands to the loop for one block."""

    model: SectionModel
    schedule: Schedule
    observed: Sequence[Target]
    held_out: Sequence[Target]
    density: DensityControl | None
    to_output: Callable[[Tensor], FloatArray]
    """From a rendered tensor to a CPU array in the input's units."""
    origin_px: tuple[int, int] = (0, 0)
    seed: int = 0


@dataclass
class BlockTrainer:
    """State of a block's training: everything that a checkpoint must hold."""

    task: BlockTask
    iteration: int = 0
    loss: float | None = None
    pseudo_loss: float | None = None
    withheld_psnr_db: float | None = None
    teacher: EmaTeacher | None = None
    rng: np.random.Generator = field(init=False)
    generator: torch.Generator = field(init=False)
    sets: list[Rows] | None = field(init=False)
    """What the Gaussians are split into, if an iteration draws only some of them."""
    adam: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.task.seed)
        self.generator = torch.Generator().manual_seed(self.task.seed)
        self._take_parameters()

    @property
    def at_once(self) -> int:
        """Iterations that share a step. One where all draw the same Gaussians: these need their steps one by one."""
        return 1 if self.sets is None else self.task.schedule.sections_per_step

    @property
    def done(self) -> bool:
        """Whether all iterations were made."""
        return self.iteration >= self.task.schedule.total

    def step(self) -> None:
        """One step of the optimiser: an iteration, or several where a step may draw several sections."""
        task, schedule, i = self.task, self.task.schedule, self.iteration
        if schedule.use_teacher and self.teacher is None and schedule.stage(i) == "bootstrap":
            self.teacher = EmaTeacher(task.model, schedule.ema_decay)
        task.model.field.requires_grad_(schedule.stage(i) != "warm-up")
        set_rates(self.adam, schedule, i)
        self.adam.zero_grad(set_to_none=True)
        drawn = [self._choose(iteration) for iteration in range(i, min(i + self.at_once, schedule.total))]
        images = task.model.several([z for z, _, _ in drawn], self.sets)
        losses = [
            photometric_loss(image, target.image, weight=target.weight, lambda_dssim=schedule.lambda_dssim)
            for image, (_, target, _) in zip(images, drawn, strict=True)
        ]
        weights = [schedule.weight(i + k) if pseudo else 1.0 for k, (_, _, pseudo) in enumerate(drawn)]
        torch.autograd.backward(losses, [loss.new_tensor(w) for loss, w in zip(losses, weights, strict=True)])
        for loss, (_, _, pseudo) in zip(losses, drawn, strict=True):
            value = float(loss.detach())
            self._check_finite(value)
            if pseudo:
                self.pseudo_loss = _running(self.pseudo_loss, value)
            else:
                self.loss = _running(self.loss, value)
        if task.density is not None and not drawn[0][2]:
            task.density.observe(task.model.gaussians)
        self.adam.step()
        if self.teacher is not None:
            self.teacher.update(task.model, len(drawn))
        self._adapt_density(i)
        self.iteration += len(drawn)

    def _choose(self, iteration: int) -> tuple[float, Target, bool]:
        """Where an iteration draws, what it should see there, and whether the teacher says so."""
        schedule, observed = self.task.schedule, self.task.observed
        coordinates = [target.z for target in observed]
        if self.teacher is not None and schedule.draws_pseudo(iteration, self.rng):
            z = schedule.unobserved(iteration, coordinates, self.rng)
            return z, Target(z, self.teacher.target(z).clone()), True
        index = int(self.rng.integers(len(observed)))
        return schedule.jittered(iteration, coordinates, index, self.rng), observed[index], False

    def validate(self) -> float | None:
        """PSNR in dB on the sections held out, in normalised intensities."""
        if not self.task.held_out:
            return None
        errors = [
            torch.mean((self.task.model.render(target.z) - target.image) ** 2).item() for target in self.task.held_out
        ]
        self.withheld_psnr_db = float(np.mean([-10 * np.log10(max(e, 1e-12)) for e in errors]))
        return self.withheld_psnr_db

    @property
    def _parameters(self) -> dict[str, Tensor]:
        return trained_parameters(self.task.model, self.sets)

    def _take_parameters(self) -> None:
        """Split the model's Gaussians and start an optimiser for them."""
        model = self.task.model
        self.sets = model.field.split(model.gaussians)
        self.adam = make_adam(self._parameters, self.task.schedule)

    def _adapt_density(self, iteration: int) -> None:
        density, model = self.task.density, self.task.model
        if density is None:
            return
        if density.due(iteration):
            surgery = density.propose(model.gaussians, self.generator)
            apply_surgery(model, self.adam, surgery)
            if self.teacher is not None:
                self.teacher.follow(surgery)
        if density.reset_due(iteration):
            density.reset_opacity(model.gaussians)
            state = self.adam.state.get(model.gaussians.opacity_logit)
            if state:
                state["exp_avg"].zero_()
                state["exp_avg_sq"].zero_()

    def _check_finite(self, loss: float) -> None:
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} at iteration {self.iteration} of stage "
                f"{self.task.schedule.stage(self.iteration)!r}; it must stay finite. Lower the learning rates."
            )

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """Tensors and JSON values from which `restore` continues exactly."""
        tensors = {f"model/{n}": t for n, t in self.task.model.state_dict().items()}
        tensors |= {f"adam/{n}": t for n, t in adam_state(self.adam, self._parameters).items()}
        tensors["generator"] = self.generator.get_state()
        if self.teacher is not None:
            tensors |= {f"teacher/{n}": t for n, t in self.teacher.model.state_dict().items()}
        if self.task.density is not None and self.task.density.gradient_sum is not None:
            tensors["density/gradient_sum"] = self.task.density.gradient_sum
        values: dict[str, object] = {
            "iteration": self.iteration,
            "loss": self.loss,
            "pseudo_loss": self.pseudo_loss,
            "density_count": 0 if self.task.density is None else self.task.density.count,
            "rng": self.rng.bit_generator.state,
        }
        return {n: t.detach().cpu().contiguous() for n, t in tensors.items()}, values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, object]) -> None:
        """Continue from a `state`; raises ``KeyError`` or ``RuntimeError`` when it is not this task's."""
        task, schedule = self.task, self.task.schedule
        load_model_state(task.model, _under("model/", tensors))
        self._take_parameters()
        load_adam_state(self.adam, self._parameters, _under("adam/", tensors))
        if teacher := _under("teacher/", tensors):
            self.teacher = EmaTeacher(task.model, schedule.ema_decay)
            load_model_state(self.teacher.model, teacher)
            self.teacher.model.requires_grad_(requires_grad=False)
        if task.density is not None:
            task.density.gradient_sum = tensors.get("density/gradient_sum")
            task.density.count = int(str(values["density_count"]))
        self.generator.set_state(tensors["generator"])
        self.rng.bit_generator.state = cast("dict[str, Any]", values["rng"])
        self.iteration = int(str(values["iteration"]))
        self.loss, self.pseudo_loss = (_optional_float(values[key]) for key in ("loss", "pseudo_loss"))


def load_model_state(model: SectionModel, state: dict[str, Tensor]) -> None:
    """Load parameters, with as many Gaussians as ``state`` has."""
    device = model.gaussians.mean_px.device
    prefix = "gaussians."
    model.gaussians = Gaussians(_under(prefix, state)).to(device)
    model.load_state_dict(state, strict=True)


def train_block(trainer: BlockTrainer, control: Control, on_iteration: Callable[[BlockTrainer, float], None]) -> None:
    """Run ``trainer`` to its end or until stopped; ``on_iteration`` gets it and the iteration's seconds."""
    while not trainer.done and not control.stopped:
        control.wait_while_paused()
        if control.stopped:
            break
        start = time.perf_counter()
        trainer.step()
        on_iteration(trainer, time.perf_counter() - start)


def _running(mean: float | None, value: float) -> float:
    return value if mean is None else SMOOTHING * mean + (1 - SMOOTHING) * value


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _optional_float(value: object) -> float | None:
    return None if value is None else float(str(value))
