import numpy as np
import pytest

from napari_emgauss._napari.reconstruct import controller as module
from napari_emgauss._napari.reconstruct.preview import PREVIEW_NAME, PreviewLayer
from napari_emgauss._napari.reconstruct.stack.trained import TrainedStack
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss.training import PlanePlacement, Preview

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
    viewer.dims.set_point(0, stack_layer.data_to_world((2, 0, 0))[0])
    qtbot.waitUntil(lambda: preview.data is not first, timeout=WAIT_MS)
    assert preview.contrast_limits == [10, 90]
    assert preview.data_to_world((0, 0, 0))[1:] == pytest.approx(stack_layer.data_to_world((0, 0, 0))[1:])
    between = stack_layer.world_to_data(preview.data_to_world((0, 0, 0)))[0]
    assert between in (pytest.approx(2.5), pytest.approx(3.5))
    widget.view.panel.stop_button.click()
    training.wait_until_finished()
    assert PREVIEW_NAME not in viewer.layers


def test_a_preview_that_is_deleted_stays_away(widget, training, viewer, stack_layer, qtbot, monkeypatch):
    monkeypatch.setattr(module, "PREVIEW_EVERY_S", 0.01)
    training.make_long()
    widget.controller.train()
    qtbot.waitUntil(lambda: PREVIEW_NAME in viewer.layers, timeout=WAIT_MS)
    shown, preview = [], widget.controller._layers._preview
    show = preview.show
    monkeypatch.setattr(preview, "show", lambda newer: shown.append(show(newer)))
    viewer.layers.remove(PREVIEW_NAME)
    for z in (1, 2):
        viewer.dims.set_point(0, stack_layer.data_to_world((z, 0, 0))[0])
        qtbot.waitUntil(lambda: len(shown) > 0, timeout=WAIT_MS)
    assert not any(shown)
    assert PREVIEW_NAME not in viewer.layers
    widget.view.panel.discard_button.click()
    training.wait_until_finished()


def test_a_part_is_put_into_the_latest_preview_of_its_whole_section(widget, viewer, stack_layer, stack):
    stack_of_layer = TrainedStack(volume=stack, layer=stack_layer, placement=LayerPlacement.of(stack_layer))
    layer = PreviewLayer(viewer, stack_of_layer)

    def preview(shape, value, z, y=0.0, x=0.0):
        return Preview(image=np.full(shape, value, np.float32), placement=PlanePlacement(origin=(z, y, x)))

    layer.show(preview((48, 40), 50, 1.5))
    layer.show(preview((16, 8), 90, 1.5, 20, 30))
    shown = viewer.layers[PREVIEW_NAME].data[0]
    expected = np.full((48, 40), 50)
    expected[20:36, 30:38] = 90
    assert np.array_equal(shown, expected)
    layer.show(preview((16, 8), 90, 2.5, 20, 30))
    assert viewer.layers[PREVIEW_NAME].data.shape == (1, 16, 8)
    layer.remove()
