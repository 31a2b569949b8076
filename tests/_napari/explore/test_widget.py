import gc

from napari_emgauss._napari.explore.widget import ExploreWidget

WAIT_MS = 60_000


def test_the_viewer_can_be_closed_while_it_plays(explore, viewer, qtbot):
    with qtbot.waitSignal(explore.player.advanced, timeout=WAIT_MS):
        explore.view.play.click()
    explore.go_to(2.2)
    viewer.close()
    qtbot.wait(50)


def test_the_dock_can_be_closed_while_it_plays(viewer, model, qtbot):
    widget = ExploreWidget(viewer)
    dock = viewer.window.add_dock_widget(widget)
    with qtbot.waitSignal(widget.controller.player.advanced, timeout=WAIT_MS):
        widget.view.play.click()
    viewer.window.remove_dock_widget(dock)
    widget.deleteLater()
    del widget, dock
    qtbot.wait(20)
    gc.collect()
    viewer.dims.set_current_step(0, 2)
    viewer.scene.camera.zoom *= 1.1


def test_closing_the_dock_ends_the_widget(viewer, model, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-emgauss", "Explore z")
    with qtbot.waitSignal(widget.destroyed, timeout=WAIT_MS):
        dock.destroyOnClose()


def test_the_form_takes_all_of_the_dock(viewer):
    widget = ExploreWidget(viewer)
    viewer.window.add_dock_widget(widget)
    layout = widget.layout()
    assert [layout.itemAt(i).widget() for i in range(layout.count())] == [widget.view]  # and no empty space of napari's
