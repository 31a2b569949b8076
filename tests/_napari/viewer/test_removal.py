import numpy as np
import pytest
from qtpy.QtGui import QOpenGLContext
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication

from napari_emgauss._napari.viewer.models import open_models

WAIT_MS = 60_000
OURS = {"napari-emgauss": {}}


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer that paints."""
    return make_napari_viewer(show=True)


def test_a_layer_of_ours_survives_the_removal_of_the_stack_below_it(viewer, qtbot):
    open_models(viewer)
    for _ in range(3):
        stack = viewer.add_image(np.zeros((9, 60, 50), np.uint8), scale=(48, 8, 8), units=("nm",) * 3)
        ours = viewer.add_image(
            np.ones((1, 60, 50), np.float32),
            scale=(48, 8, 8),
            translate=(120, 0, 0),
            units=("nm",) * 3,
            metadata={"napari-emgauss": {}},
        )
        viewer.dims.set_point(0, 144)
        for _ in range(3):
            QApplication.processEvents()
        viewer.layers.remove(stack)
        assert not ours.visible
        qtbot.waitUntil(lambda ours=ours: ours.visible, timeout=WAIT_MS)
        viewer.screenshot(canvas_only=True, flash=False)
        viewer.layers.clear()


def test_what_a_layer_had_on_the_graphics_card_is_freed_in_its_own_window(make_napari_viewer, monkeypatch):
    one, other = (make_napari_viewer(show=True) for _ in range(2))
    for viewer in (one, other):
        open_models(viewer)
        viewer.add_image(np.zeros((9, 60, 50), np.uint8))
        viewer.screenshot(canvas_only=True, flash=False)
    canvas, freed_in = one.window._qt_viewer.canvas, []
    finish = canvas._scene_canvas.context.finish

    def finish_and_tell():
        freed_in.append(QOpenGLContext.currentContext())
        finish()

    monkeypatch.setattr(canvas._scene_canvas.context, "finish", finish_and_tell)
    one.layers.clear()
    assert freed_in == [canvas.native.context()]


def test_a_frame_without_it_is_painted_before_a_layer_is_shown_again_however_busy_the_window_is(viewer, qtbot):
    open_models(viewer)
    stack, ours = (viewer.add_image(np.zeros((9, 60, 50), np.uint8), metadata=about) for about in ({}, OURS))
    painted_while = []
    (canvas,) = (widget for widget in QApplication.allWidgets() if isinstance(widget, QOpenGLWidget))
    canvas.frameSwapped.connect(lambda: painted_while.append(ours.visible))
    canvas.aboutToCompose.connect(lambda: painted_while.append(ours.visible))
    viewer.layers.remove(stack)
    assert painted_while == []
    open_models(viewer).guard._show()
    assert ours.visible
    assert False in painted_while


def test_a_section_of_ours_survives_the_removal_of_another_layer_of_ours(viewer, qtbot):
    open_models(viewer)
    for _ in range(3):
        volume, section = (
            viewer.add_image(
                np.ones((n, 60, 50), np.float32), scale=(48, 8, 8), metadata={"napari-emgauss": {}}, units=("nm",) * 3
            )
            for n in (9, 1)
        )
        deeper = viewer.add_image(np.ones((9, 60, 50), np.float32), metadata={"napari-emgauss": {}}, units=("nm",) * 3)
        for _ in range(3):
            QApplication.processEvents()
        viewer.layers.remove(volume)
        assert (section.visible, deeper.visible) == (False, True)
        viewer.layers.remove(deeper)
        qtbot.waitUntil(lambda section=section: section.visible, timeout=WAIT_MS)
        viewer.screenshot(canvas_only=True, flash=False)
        viewer.layers.clear()


def test_what_the_user_hid_stays_hidden_and_his_own_layers_stay_visible(viewer, qtbot):
    open_models(viewer)
    own, stack = (viewer.add_image(np.zeros((9, 60, 50), np.uint8)) for _ in range(2))
    hidden, shown = (viewer.add_image(np.zeros((9, 60, 50)), metadata={"napari-emgauss": {}}) for _ in range(2))
    hidden.visible = False
    viewer.layers.remove(stack)
    qtbot.waitUntil(lambda: shown.visible, timeout=WAIT_MS)
    assert own.visible
    assert not hidden.visible


def test_canvases_of_other_windows_are_left_alone_and_none_is_painted_once_the_own_one_is_closed(make_napari_viewer):
    own, other = (make_napari_viewer(show=True) for _ in range(2))
    guard = open_models(own).guard
    (canvas,) = guard._canvases()
    assert own.window._qt_window.isAncestorOf(canvas)
    assert not other.window._qt_window.isAncestorOf(canvas)
    own.close()
    assert guard._canvases() == []
