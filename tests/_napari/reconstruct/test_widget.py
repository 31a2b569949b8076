import threading

import numpy as np
from napari.utils import progress

from napari_emgauss._napari.reconstruct.widget import ReconstructWidget

WAIT_MS = 180_000
ISOTROPIC = "stack · isotropic"


def test_closing_the_viewer_while_training_leaves_a_checkpoint_and_no_thread(
    widget, training, viewer, qtbot, own_folders
):
    training.make_long()
    widget.controller.train()
    training.wait_until_blocks_learn()
    viewer.close()
    qtbot.waitUntil(lambda: not any(t.name == "emgauss-training" for t in threading.enumerate()), timeout=WAIT_MS)
    assert list((own_folders / "cache").rglob("block-*/state"))


def test_closing_the_dock_while_training_leaves_nothing(viewer, stack_layer, qtbot, training_of):
    before = set(progress._all_instances)
    widget = ReconstructWidget(viewer)
    training = training_of(widget)
    dock = viewer.window.add_dock_widget(widget, name="Reconstruct")
    training.make_long()
    widget.controller.train()
    training.wait_until_begun()
    qtbot.waitUntil(lambda: ISOTROPIC in viewer.layers, timeout=WAIT_MS)
    dock.destroyOnClose()  # what its × does
    qtbot.waitUntil(lambda: not any(t.name == "emgauss-training" for t in threading.enumerate()), timeout=WAIT_MS)
    viewer.add_image(np.zeros((3, 20, 20)))
    assert ISOTROPIC not in viewer.layers
    qtbot.waitUntil(lambda: set(progress._all_instances) <= before, timeout=WAIT_MS)


def test_a_closed_dock_ends_a_training_that_nothing_else_refers_to(viewer, stack_layer, qtbot):
    dock = viewer.window.add_dock_widget(ReconstructWidget(viewer), name="Reconstruct")
    dock.inner_widget().controller.train()
    dock.destroyOnClose()
    del dock
    qtbot.waitUntil(lambda: not any(t.name == "emgauss-training" for t in threading.enumerate()), timeout=WAIT_MS)


def test_the_form_takes_all_of_the_dock(viewer):
    widget = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(widget)
    layout = widget.layout()
    assert [layout.itemAt(i).widget() for i in range(layout.count())] == [widget.view]  # and no empty space of napari's
