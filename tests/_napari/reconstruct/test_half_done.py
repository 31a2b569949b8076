import json
from pathlib import Path

import numpy as np
import pytest

from napari_emgauss._napari.reconstruct.controller import half_done_folder
from napari_emgauss._napari.reconstruct.half_done import HalfDone, half_done_in
from napari_emgauss._napari.reconstruct.widget import ReconstructWidget


@pytest.fixture
def left(widget, training, viewer):
    """A training of half a stack that ended with its dock."""
    training.set("newton_steps", 5_000)
    widget.view.stack.hold_out_choice.setCurrentText("Every 4th section")
    widget.controller.train()
    training.wait_until_blocks_learn()
    widget.controller.run.close()
    widget.controller.run = None
    return widget


def test_it_is_found_again_with_its_settings_and_gone_on_with(left, viewer, stack_layer, training_of, qtbot):
    another = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(another)
    panel = another.view.half_done
    assert panel.isVisibleTo(another)
    assert "The training of 'stack' (balanced) was not finished" in panel.text.text()
    panel.go_on_button.click()
    assert not panel.isVisibleTo(another)
    run = another.controller.run
    training_of(another).wait_until_begun()
    assert run.session.resumed
    assert run.session._settings["hold_out"] == (2,)
    assert run.session._settings["newton_steps"] == 5_000
    another.controller.discard()
    training_of(another).wait_until_finished()
    assert not panel.isVisibleTo(another)


def test_without_its_stack_it_says_what_to_open_and_can_be_forgotten(left, viewer, stack_layer, qtbot):
    viewer.layers.remove(stack_layer)
    viewer.add_image(np.zeros((9, 30, 30), np.uint8))
    another = ReconstructWidget(viewer)
    qtbot.addWidget(another)
    panel = another.view.half_done
    assert "to go on" in panel.text.text()
    assert not panel.go_on_button.isEnabled()
    panel.forget_button.click()
    assert not panel.isVisibleTo(another)
    assert not list(half_done_folder().glob("*"))


def test_what_it_was_is_plain_and_survives_being_written(tmp_path):
    half = HalfDone(
        layer="stack",
        path="/data/stack.tif",
        shape=(5, 48, 40),
        voxel_size_nm=(48.0, 8.0, 8.0),
        region=(0, 20, 4, 30),
        settings={"preset": "fast", "hold_out": (2, 3)},
    )
    again = HalfDone.of(Path(), 0.0, json.loads(json.dumps(half.about())))
    assert again == half
    assert HalfDone.of(tmp_path, 0.0, {**half.about(), "shape": "wide"}) is None
    assert half_done_in(tmp_path / "nothing") == []
