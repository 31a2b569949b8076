"""Optimisation of one block: the only training loop, for every method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_emgauss.training.control import Control
from napari_emgauss.training.protocol import Objective, SavedState

SMOOTHING = 0.95
"""Decay of the running mean of the reported losses."""
READ_EVERY_S = 0.1
"""Time between two readings of losses from a GPU, each of which waits for it."""


class BlockTrainer:
    """A block's training: all that a checkpoint must hold."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        names = [hook.name for hook in objective.hooks]
        if len({*names, "model", "optimiser"}) < len(names) + 2:
            raise ValueError(f"hooks must have names of their own, not model or optimiser, got {', '.join(names)}.")
        self.iteration = 0
        """Iterations made."""
        self.losses: dict[str, float] = {}
        """Running mean of the losses that were read, by the name of the samples."""
        self._unread: list[tuple[int, str, Tensor | float]] = []
        self._read_at = time.monotonic()
        self.scores: dict[str, float] = {}
        """Latest scores."""
        self.rng = np.random.default_rng(objective.seed)
        self.solver = objective.solver()

    @property
    def done(self) -> bool:
        """Whether all iterations were made, or a hook says that no more are needed."""
        finished = any(hook.finished for hook in self.objective.hooks)
        return finished or self.iteration >= self.objective.schedule.total

    def step(self) -> None:
        """Make one step: an iteration for each sample that the objective chose.

        Raises
        ------
        FloatingPointError
            A loss is not finite. Those on a GPU are looked at now and then, but the iteration that is named is theirs.
        """
        samples = self.objective.sample(self.iteration, self.rng)
        losses = self.solver.step(samples, self.iteration)
        self._unread += [(self.iteration, s.name, loss) for s, loss in zip(samples, losses, strict=True)]
        self.iteration += len(samples)
        if not any(map(_is_on_a_gpu, losses)) or self.done or time.monotonic() - self._read_at >= READ_EVERY_S:
            self.read()

    def read(self) -> None:
        """Take in the losses since the last reading; waits for a GPU to have made the steps.

        Raises
        ------
        FloatingPointError
            As `step` does.
        """
        unread, self._unread = self._unread, []
        values = _numbers([loss for _, _, loss in unread])
        for (iteration, name, _), value in zip(unread, values, strict=True):
            if not math.isfinite(value):
                stage = self.objective.schedule.stage(iteration).name
                raise FloatingPointError(
                    f"the loss became {value} at iteration {iteration} of stage {stage!r}; it must stay finite. "
                    "Lower the learning rates."
                )
            before = self.losses.get(name)
            self.losses[name] = value if before is None else SMOOTHING * before + (1 - SMOOTHING) * value
        self._read_at = time.monotonic()

    def score(self) -> None:
        """Take the objective's scores."""
        self.read()
        with torch.no_grad():
            self.scores = dict(self.objective.scores())

    def result(self) -> SavedState:
        """Return the model as it is kept: its tensors on the CPU, and the values that belong to them."""
        self.read()
        model = self.objective.model.state_dict()
        return {n: t.detach().cpu().contiguous() for n, t in model.items()}, self.objective.values()

    def state(self) -> SavedState:
        """Return tensors and JSON values from which `restore` continues exactly."""
        model, about = self.result()
        tensors = {f"model/{n}": t for n, t in model.items()}
        tensors |= {f"optimiser/{n}": t for n, t in self.solver.state().items()}
        hooks: dict[str, Any] = {}
        for hook in self.objective.hooks:
            own, hooks[hook.name] = hook.state()
            tensors |= {f"{hook.name}/{n}": t for n, t in own.items()}
        values = {
            "iteration": self.iteration,
            "losses": self.losses,
            "rng": self.rng.bit_generator.state,
            "hooks": hooks,
            "model": about,
        }
        return {n: t.detach().cpu().contiguous() for n, t in tensors.items()}, values

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Continue from a `state`; raises ``KeyError`` or ``RuntimeError`` when it is not this objective's."""
        objective = self.objective
        objective.model.load_state_dict(_under("model/", tensors), strict=True)
        self.solver = objective.solver()
        self.solver.restore(_under("optimiser/", tensors))
        for hook in objective.hooks:
            hook.restore(_under(f"{hook.name}/", tensors), values["hooks"][hook.name])
        self.rng.bit_generator.state = values["rng"]
        self.iteration = int(values["iteration"])
        self.losses = {str(name): float(value) for name, value in values["losses"].items()}


def model_of(state: SavedState) -> SavedState:
    """Return the model within a trainer's `state`: what its `result` was."""
    tensors, values = state
    return _under("model/", tensors), dict(values["model"])


def train_block(trainer: BlockTrainer, control: Control, on_step: Callable[[BlockTrainer, float], None]) -> None:
    """Run ``trainer`` to its end or until stopped; ``on_step`` gets it and the step's seconds."""
    while not trainer.done and not control.held():
        start = time.perf_counter()
        trainer.step()
        on_step(trainer, time.perf_counter() - start)


def _is_on_a_gpu(loss: Tensor | float) -> bool:
    return isinstance(loss, Tensor) and loss.device.type != "cpu"


def _numbers(losses: Sequence[Tensor | float]) -> list[float]:
    """Return losses as numbers; those of a GPU are fetched together."""
    if losses and all(map(_is_on_a_gpu, losses)):
        return list(map(float, torch.stack([torch.as_tensor(loss) for loss in losses]).tolist()))
    return list(map(float, losses))


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
