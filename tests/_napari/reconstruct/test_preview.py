import pytest

from napari_emgauss._napari.reconstruct import controller as module
from napari_emgauss._napari.reconstruct.preview import PREVIEW_NAME

WAIT_MS = 180_000


def test_the_preview_disturbs_neither_selection_nor_contrast_and_goes_away(
    widget, training, viewer, stack_layer, qtbot, monkeypatch
):
    monkeypatch.setattr(module, "PREVIEW_EVERY_S", 0.01)
    viewer.layers.selection = {stack_layer}
    viewer.dims.set_point(0, stack_layer.data_to_world((3, 0, 0))[0])
    training.make_long()
    widget.controller.train()
    qtbot.waitUntil(lambda: PREVIEW_NAME in viewer.layers, timeout=WAIT_MS)
    preview = viewer.layers[PREVIEW_NAME]
    assert set(viewer.layers.selection) == {stack_layer}
    assert preview.contrast_limits == stack_layer.contrast_limits
    preview.contrast_limits = (10, 90)
    first = preview.data
    qtbot.waitUntil(lambda: preview.data is not first, timeout=WAIT_MS)
    assert preview.contrast_limits == [10, 90]
    assert preview.data_to_world((0, 0, 0))[1:] == pytest.approx(stack_layer.data_to_world((0, 0, 0))[1:])
    between = stack_layer.world_to_data(preview.data_to_world((0, 0, 0)))[0]
    assert between == pytest.approx(3.5)
    widget.view.panel.stop_button.click()
    training.wait_until_finished()
    assert PREVIEW_NAME not in viewer.layers


def test_a_preview_that_is_deleted_stays_away(widget, training, viewer, qtbot, monkeypatch):
    monkeypatch.setattr(module, "PREVIEW_EVERY_S", 0.01)
    training.make_long()
    widget.controller.train()
    qtbot.waitUntil(lambda: PREVIEW_NAME in viewer.layers, timeout=WAIT_MS)
    shown, preview = [], widget.controller._preview
    show = preview.show
    monkeypatch.setattr(preview, "show", lambda newer: shown.append(show(newer)))
    viewer.layers.remove(PREVIEW_NAME)
    qtbot.waitUntil(lambda: len(shown) > 1, timeout=WAIT_MS)
    assert PREVIEW_NAME not in viewer.layers
    widget.view.panel.discard_button.click()
    training.wait_until_finished()
