"""The moving average of a model."""

import math

import pytest
import torch

from napari_emgauss.forward import MlpField, SectionModel
from napari_emgauss.gaussians import (
    Gaussians,
)
from napari_emgauss.gaussians.density import Surgery
from napari_emgauss.training.optimiser import apply_surgery
from napari_emgauss.training.teacher import EmaTeacher


def make(n=4, scale_px=1.0, opacity=0.5):
    return Gaussians(
        {
            "mean_px": torch.rand(n, 2, generator=torch.Generator().manual_seed(0)) * 30,
            "log_scale": torch.full((n, 2), math.log(scale_px)),
            "angle_rad": torch.linspace(0, 1, n),
            "opacity_logit": torch.full((n,), math.log(opacity / (1 - opacity))),
            "intensity": torch.ones(n),
        }
    )


def model_of(gaussians):
    return SectionModel(gaussians, MlpField((0.0, 1.0), (30, 30), depth=2, width=4), (30, 30), mode="sum")


def surgery_on(gaussians):
    """Keep 0, 2 and 3, split 1 into two children."""
    children = {name: value[[1, 1]] + 0.25 for name, value in gaussians.values().items()}
    return Surgery(torch.tensor([0, 2, 3]), children)


def test_the_teacher_follows_and_its_children_start_from_the_students():
    student = model_of(make())
    teacher = EmaTeacher(student, decay=0.9)
    with torch.no_grad():
        student.gaussians.intensity.add_(1.0)
    teacher.update(student)
    assert teacher.model.gaussians.intensity == pytest.approx(torch.full((4,), 1.1))
    surgery = surgery_on(student.gaussians)
    apply_surgery(student, torch.optim.Adam(student.parameters()), surgery)
    teacher.follow(surgery)
    assert teacher.model.gaussians.intensity.tolist() == pytest.approx([1.1] * 3 + [2.25] * 2)
    assert not any(p.requires_grad for p in teacher.model.parameters())
    teacher.update(student)
    assert torch.isfinite(teacher.target(0.3)).all()


def test_the_teacher_follows_several_iterations_at_once():
    student = model_of(make())
    one_by_one, at_once = EmaTeacher(student, decay=0.9), EmaTeacher(student, decay=0.9)
    with torch.no_grad():
        student.gaussians.intensity.add_(1.0)
    for _ in range(3):
        one_by_one.update(student)
    at_once.update(student, 3)
    assert torch.allclose(at_once.model.gaussians.intensity, one_by_one.model.gaussians.intensity)
