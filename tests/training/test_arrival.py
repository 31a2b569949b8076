import numpy as np
import torch
from tests.training.toy import ToyJob, ToyObjective, noisy_images

from napari_emgauss.io.store import JobMemory
from napari_emgauss.training import ArrivingPreview, Control, LocalEngine, PlanePlacement, Preview, RunConfig


def preview_of(image):
    return Preview(image=image.numpy(), placement=PlanePlacement(origin=(0.0, 0.0, 0.0)))


class Late(ArrivingPreview):
    """Arrives when it was asked for the third time."""

    asked = 0

    @property
    def has_arrived(self):
        self.asked += 1
        return self.asked >= 3


def test_what_is_in_main_memory_has_arrived():
    arriving = ArrivingPreview(torch.eye(3), preview_of)
    assert arriving.has_arrived
    np.testing.assert_array_equal(arriving.take().image, np.eye(3))


def test_a_preview_is_told_once_it_has_arrived(monkeypatch):
    made, events = [], []

    def preview(self, wanted):
        made.append(Late(torch.eye(2), preview_of))
        return made[-1]

    monkeypatch.setattr(ToyObjective, "preview", preview)
    LocalEngine(RunConfig(preview_every_s=1e-9)).run(ToyJob(noisy_images()), JobMemory(), Control(), events.append)
    told = [event for event in events if isinstance(event, Preview)]
    assert told
    assert len(told) < len(made)
    assert all(arriving.asked <= 3 for arriving in made)
