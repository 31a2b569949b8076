"""Steps of trainings on a GPU without values; prints what went wrong in each as JSON.

The GPU is torch's fake one: its tensors have shapes and a device, and no values. What would have to read a value or a
number of results raises, and so does what brings numbers there or mixes devices; copies from it are counted. Kernels
cannot run on it: what stands in for them has their shapes, and they are tested where they are. A process knows it only
if it was there before the first gradient, hence one of its own.
"""

import json
import sys
from dataclasses import replace

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from napari_emgauss.forward import newton, sections, view
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.phantoms import phantom
from napari_emgauss.render import gauss_newton
from napari_emgauss.training import BlockTrainer, loop

ANCHORED = {"use_teacher": False, "adapt_spacing": False}
CASES = {
    "balanced": ("balanced", ANCHORED),
    "fast": ("fast", {**ANCHORED, "newton_steps": 9}),
    "descent": ("balanced", {**ANCHORED, "newton_steps": 0, "joint": 20, "sections_per_step": 2}),
    "paper": (
        "paper",
        {"mlp_width": 8, "mlp_depth": 2, "warmup": 0, "joint": 2, "bootstrap": 10, "pseudo_share_start": 0.9},
    ),
}


class CopiesCounted(TorchDispatchMode):
    """Notes every copy between devices."""

    def __init__(self):
        super().__init__()
        self.copies = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function._schema.name in ("aten::_to_copy", "aten::copy_"):
            self.copies += len({t.device.type for t in (*args, result) if isinstance(t, torch.Tensor)}) > 1
        return result


class ShapesOfTangent:
    """Stand-in for `Tangent`."""

    def __init__(self, means_px, conics, shape, counts=None):
        self.means_px, self.shape = means_px, shape if counts is None else (len(counts), *shape)

    def draw(self, changes):
        return changes.sum() * changes.new_ones(self.shape)

    def project(self, image):
        return image.sum() * image.new_ones(len(self.means_px), 6)


def shapes_of_splat(means_px, conics, weights, shape, **_):
    return (means_px.sum() + conics.sum() + weights.sum()) * means_px.new_ones(shape)


def shapes_of_several(means_px, conics, weights, counts, shape, **_):
    return shapes_of_splat(means_px, conics, weights, (len(counts), *shape))


def on_the_gpu(tensor):
    return torch.zeros(tensor.shape, dtype=tensor.dtype, device="fake_gpu")


def walk(preset, settings):
    """Return what went wrong in four steps; empty if nothing did."""
    setup = prepare(phantom((13, 24, 24)).every(6), preset=preset, device="cpu", **settings)
    trainer = BlockTrainer(EmgaussJob(setup, Study()).build(0))
    objective = trainer.objective
    objective._solved_at_once = 3
    averages = [] if objective.average is None else [objective.average.start()]
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            for model in (objective.model, *averages):
                model._apply(on_the_gpu)
                model.field._moves = True  # looked at once, when it begins to
            images = [on_the_gpu(target.image) for target in objective.observed]
            # Every other one as a teacher predicts it.
            objective.observed = [
                replace(target, image=image, weight=image if k % 2 else None, predicted=bool(k % 2))
                for k, (target, image) in enumerate(zip(objective.observed, images, strict=True))
            ]
            trainer.solver = objective.solver()
            trainer.step()  # what is made once, and kept on the GPU
            with CopiesCounted() as counted:
                for _ in range(3):
                    trainer.step()
    except Exception as error:  # noqa: BLE001 - what is found is told
        return f"{type(error).__name__}: {error}"[:500]
    if counted.copies or len(trainer._unread) != trainer.iteration:
        return f"{counted.copies} copies between devices, {len(trainer._unread)} of {trainer.iteration} losses unread"
    return ""


def main():
    _setup_privateuseone_for_python_backend("fake_gpu")
    view.splat = shapes_of_splat
    sections.splat_several = newton.splat_several = shapes_of_several
    gauss_newton.Tangent = ShapesOfTangent
    loop.READ_EVERY_S = 1e9
    json.dump({name: walk(preset, settings) for name, (preset, settings) in CASES.items()}, sys.stdout)


if __name__ == "__main__":
    main()
