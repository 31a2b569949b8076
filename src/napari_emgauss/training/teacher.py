"""Where targets at unobserved depths come from."""

from __future__ import annotations

import copy
from typing import Protocol

import torch
from torch import Tensor

from napari_emgauss.forward import SectionModel
from napari_emgauss.gaussians import Gaussians
from napari_emgauss.gaussians.density import Surgery


class Teacher(Protocol):
    """Supplies a target image for any section coordinate."""

    def target(self, z: float) -> Tensor:
        """Image (Y, X) in normalised intensities at ``z``, without gradient."""
        ...


class EmaTeacher:
    """Exponential moving average of the student (Tarvainen & Valpola 2017): θ' ← d·θ' + (1 - d)·θ."""

    def __init__(self, student: SectionModel, decay: float) -> None:
        self.model = copy.deepcopy(student)
        self.model.requires_grad_(requires_grad=False)
        self.decay = decay

    def target(self, z: float) -> Tensor:
        """Image of the averaged model."""
        return self.model.render(z)

    @torch.no_grad()
    def update(self, student: SectionModel, iterations: int = 1) -> None:
        """Move every parameter a little towards the student's, as far as in so many iterations."""
        for mine, theirs in zip(self.model.parameters(), student.parameters(), strict=True):
            mine.lerp_(theirs, 1 - self.decay**iterations)

    def follow(self, surgery: Surgery) -> None:
        """Repeat a change of the student's set; children start from the student's values."""
        values = {name: surgery.apply(name, value) for name, value in self.model.gaussians.values().items()}
        self.model.gaussians = Gaussians(values).to(next(self.model.parameters()).device)
        self.model.requires_grad_(requires_grad=False)
