"""From the sample stack to an exported volume, as a person goes."""

import numpy as np
import pytest

from napari_emgauss._napari.viewer.models import open_models

WAIT_MS = 300_000
PLUGIN = "napari-emgauss"


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer that knows the installed plugin."""
    import npe2

    npe2.PluginManager.instance().discover()
    return make_napari_viewer()


def test_sample_train_pause_resume_scrub_export_reopen(viewer, qtbot, tmp_path):
    viewer.open_sample(PLUGIN, "phantom")
    stack = viewer.layers["EM phantom"]
    _, reconstruct = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    view, controller = reconstruct.view, reconstruct.controller
    assert controller.stack.layer is stack
    assert "6× anisotropic" in view.stack.summary.text()
    view.stack.hold_out_choice.setCurrentText("Every 4th section")
    view.panel.train_button.click()
    qtbot.waitUntil(lambda: view.panel.bar.value() > 0, timeout=WAIT_MS)
    view.panel.pause_button.click()
    assert view.panel.pause_button.text() == "Resume"
    view.panel.pause_button.click()
    qtbot.waitUntil(lambda: controller.run is None, timeout=WAIT_MS)
    (model,) = open_models(viewer)

    view.next_steps.buttons["Explore z"].click()
    explore = next(w for w in docked(viewer) if type(w).__name__ == "ExploreWidget").controller
    explore.go_to(3.4)
    qtbot.waitUntil(lambda: explore.layer is not None and not explore.busy, timeout=WAIT_MS)
    assert explore.layer.data_to_world((0, 0, 0))[0] == pytest.approx(3.4 * 48)

    view.next_steps.buttons["Compare"].click()
    compare = next(w for w in docked(viewer) if type(w).__name__ == "CompareWidget").controller
    qtbot.waitUntil(lambda: "at a harder test" in compare.view.scores.verdict.text(), timeout=WAIT_MS)

    view.next_steps.buttons["Export isotropic"].click()
    export = next(w for w in docked(viewer) if type(w).__name__ == "ExportWidget").controller
    path = tmp_path / "phantom.ome.tif"
    export.view.target_form.file_box.setChecked(True)
    export.view.target_form.path_edit.setText(str(path))
    export.start()
    qtbot.waitUntil(lambda: not export.running and path.exists(), timeout=WAIT_MS)
    layer = viewer.layers["EM phantom · exported"]
    assert layer.data.shape == (61, 128, 128)
    controller.actions.save(tmp_path / "phantom.emgauss", *open_models(viewer))
    qtbot.waitUntil((tmp_path / "phantom.emgauss").exists, timeout=WAIT_MS)

    (volume,) = viewer.open(path, plugin=PLUGIN)
    assert np.array_equal(np.asarray(volume.data), layer.data)
    assert tuple(volume.scale) == (8, 8, 8)
    (virtual,) = viewer.open(tmp_path / "phantom.emgauss", plugin=PLUGIN)
    assert np.array_equal(np.asarray(virtual.data[20]), layer.data[20])
    assert [m.name.split()[0] for m in open_models(viewer)] == [model.name.split()[0], "phantom"]


def docked(viewer):
    return [dock.inner_widget() for dock in viewer.window._wrapped_dock_widgets.values()]
