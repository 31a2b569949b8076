import pytest

from napari_emgauss._napari.reconstruct.stack.choice import StackChoice
from napari_emgauss._napari.reconstruct.stack.form import StackForm


def test_the_layer_looks_like_the_stack_and_disturbs_nothing(explore, viewer, stack_layer, settle):
    stack_layer.contrast_limits, stack_layer.colormap = (20, 180), "green"
    viewer.layers.selection = {stack_layer}
    viewer.scene.camera.zoom, viewer.scene.camera.center = 900, (0, 1.4, -0.6)
    explore.go_to(0.5)
    settle(explore)
    layer = explore.layer
    assert list(layer.contrast_limits) == [20, 180]
    assert layer.colormap.name == "green"
    assert viewer.layers.selection == {stack_layer}
    assert viewer.layers.selection.active is stack_layer
    assert viewer.scene.camera.zoom == 900
    assert viewer.scene.camera.center[1:] == pytest.approx((1.4, -0.6))
    layer.contrast_limits = (50, 60)
    explore.go_to(2.5)
    settle(explore)
    assert explore.layer is layer
    assert list(layer.contrast_limits) == [50, 60]
    assert [each.name for each in viewer.layers] == ["stack", "stack · Explore z"]


def test_the_section_is_no_stack_to_train_on(explore, viewer, stack_layer, settle, qtbot):
    form = StackForm()
    qtbot.addWidget(form)
    choice = StackChoice(form, viewer)
    explore.go_to(1.5)
    settle(explore)
    assert explore.layer in viewer.layers
    assert choice.layer is stack_layer
    assert [form.layers.itemData(i) for i in range(form.layers.count())] == [stack_layer]
