"""The widget 'Compare' in a real viewer."""

WAIT_MS = 60_000


def test_it_opens_from_the_menu_and_closes_with_its_window(viewer, open_model, settled):
    _, widget = viewer.window.add_plugin_dock_widget("napari-emgauss", "Compare")
    compare = widget.controller
    settled(compare)
    viewer.theme = "light"
    compare.view.enlarge()
    compare.go_to(z=0.25, y=3)  # the viewer closes while this is drawn


def test_closing_the_dock_ends_the_widget(viewer, open_model, settled, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-emgauss", "Compare")
    compare = widget.controller
    settled(compare)
    with qtbot.waitSignal(widget.destroyed, timeout=WAIT_MS):
        dock.destroyOnClose()
