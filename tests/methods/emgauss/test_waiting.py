"""Steps of a training on a GPU: nothing in them waits for the GPU, and nothing mixes its tensors with the CPU's.

The GPU is torch's fake one: its tensors have shapes and a device, and no values. What would have to read a value or a
number of results raises, and so does what brings numbers there or mixes devices; copies from it are counted. Kernels
cannot run on it: what stands in for them has their shapes, and they are tested where they are.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.phantoms import phantom
from napari_emgauss.training import BlockTrainer, loop

COPIES = ("aten::_to_copy", "aten::copy_")


class CopiesCounted(TorchDispatchMode):
    """Notes every copy between devices."""

    def __init__(self):
        super().__init__()
        self.copies = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function._schema.name in COPIES:
            devices = {t.device.type for t in (*args, result) if isinstance(t, torch.Tensor)}
            self.copies += [function._schema.name] * (len(devices) > 1)
        return result


class ShapesOfTangent:
    """Stand-in for `Tangent`."""

    def __init__(self, means_px, conics, shape):
        self.means_px, self.shape = means_px, shape

    def draw(self, changes):
        return changes.sum() * changes.new_ones(self.shape)

    def project(self, image):
        return image.sum() * image.new_ones(len(self.means_px), 6)


def shapes_of_splat(means_px, conics, weights, shape, *, opacities=None, mode="sum", backend="auto"):
    return (means_px.sum() + conics.sum() + weights.sum()) * means_px.new_ones(shape)


@pytest.fixture
def gpu(monkeypatch):
    """A device without values."""
    if not hasattr(torch, "fake_gpu"):
        _setup_privateuseone_for_python_backend("fake_gpu")
    monkeypatch.setattr("napari_emgauss.forward.view.splat", shapes_of_splat)
    monkeypatch.setattr("napari_emgauss.forward.newton.splat", shapes_of_splat)
    monkeypatch.setattr("napari_emgauss.render.gauss_newton.Tangent", ShapesOfTangent)
    monkeypatch.setattr(loop, "READ_EVERY_S", 1e9)
    return torch.device("fake_gpu")


ANCHORED = {"use_teacher": False, "adapt_spacing": False, "correct_sections": "none"}
DESCENT = {**ANCHORED, "newton_steps": 0, "joint": 20, "sections_per_step": 1}
PAPER = {"mlp_width": 8, "mlp_depth": 2, "warmup": 0, "joint": 2, "bootstrap": 10, "pseudo_share_start": 0.9}


@pytest.mark.parametrize(
    ("preset", "settings"),
    [("balanced", DESCENT), ("paper", PAPER)],
    ids=["descent", "paper"],
)
def test_a_step_does_not_wait_for_the_gpu(gpu, preset, settings):
    setup = prepare(phantom((13, 24, 24)).every(6), preset=preset, device="cpu", **settings)
    trainer = BlockTrainer(EmgaussJob(setup, Study()).build(0))

    def moved(tensor):
        return torch.zeros(tensor.shape, dtype=tensor.dtype, device=gpu)

    objective = trainer.objective
    average = None if objective.average is None else objective.average.start()
    with FakeTensorMode(allow_non_fake_inputs=True):
        for model in filter(None, (objective.model, average)):
            model._apply(moved)
            model.field._moves = True  # looked at once, when it begins to
        for target in objective.observed:
            object.__setattr__(target, "image", moved(target.image))
        trainer.solver = objective.solver()
        trainer.step()  # what is made once, and kept on the GPU
        with CopiesCounted() as counted:
            for _ in range(3):
                trainer.step()
    assert trainer.iteration == 4
    assert len(trainer._unread) == 4
    assert not counted.copies
