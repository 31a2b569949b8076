"""The list of stacks in Compare."""

import numpy as np

from napari_emgauss._napari.viewer.models import OpenModel, open_models


def test_the_stack_of_an_opened_model_is_found_among_the_layers(
    viewer, compare, stack, stack_layer, trained_in_part, settled, qtbot
):
    viewer.layers.remove(stack_layer)
    open_models(viewer).add(OpenModel("opened", trained_in_part))
    assert "Open the stack that 'opened' was trained on: 5 sections of 48 × 40 px" in compare.view.hint.text()
    layer = viewer.add_image(np.asarray(stack.data), name="again", scale=(48, 8, 8), units=("nm",) * 3)
    settled(compare)
    assert compare.view.hint.isHidden()
    assert compare.view.form.layers.currentText() == "again"
    layer.name = "renamed"
    assert compare.view.form.layers.currentText() == "renamed"
    assert compare.scoring.result is not None
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: "Open the stack" in compare.view.hint.text(), timeout=60_000)
    assert compare.view.body.isHidden()


def test_deleting_the_stack_of_a_trained_model_changes_nothing(viewer, compare, open_model, stack_layer, settled):
    settled(compare)
    viewer.layers.remove(stack_layer)
    compare.go_to(z=0.5)
    settled(compare)
    assert compare.view.hint.isHidden()
    assert compare.view.panes.image("xy", 1) is not None
