"""Exponential moving average of a model in training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from napari_emgauss.training.optimiser import Optimiser
from napari_emgauss.training.protocol import Hook, SavedState


class MovingAverage(Hook):
    """Moving average of a student (Tarvainen & Valpola 2017): θ' ← d·θ' + (1 - d)·θ after every iteration.

    Parameters
    ----------
    student
        Model in training.
    decay
        Decay d per iteration.
    """

    name = "average"

    def __init__(self, student: nn.Module, decay: float) -> None:
        self.student, self.decay = student, decay
        self.model: nn.Module | None = None
        """The average, once `start` was called."""

    def start(self) -> nn.Module:
        """Begin with a copy of the student, if it has not begun; return the average."""
        if self.model is None:
            self.model = copy.deepcopy(self.student)
            self.model.requires_grad_(requires_grad=False)
        return self.model

    @torch.no_grad()
    def after_step(self, iteration: int, n_iterations: int, optimiser: Optimiser) -> None:
        """Move every parameter towards the student's, as far as in so many iterations."""
        if self.model is None:
            return
        for mine, theirs in zip(self.model.parameters(), self.student.parameters(), strict=True):
            mine.lerp_(theirs, 1 - self.decay**n_iterations)

    def state(self) -> SavedState:
        """Return the average's tensors."""
        return ({} if self.model is None else dict(self.model.state_dict())), {}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        if tensors:
            self.start().load_state_dict(dict(tensors), strict=True)
