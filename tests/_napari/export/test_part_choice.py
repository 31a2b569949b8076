"""The part that is chosen for export."""

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss._napari.export.part_form import OTHER
from napari_emgauss._napari.viewer.models import NO_MODEL, OpenModel, open_models
from napari_emgauss._napari.viewer.regions import IN_VIEW, RECTANGLE
from napari_emgauss.resampling.planes import Planes

WAIT_MS = 60_000


@pytest.mark.parametrize("nm_layer_beside", [False, True])
def test_a_rectangle_gives_the_pixels_it_touches(viewer, export, nm_layer_beside, qtbot):
    if nm_layer_beside:  # napari's world is then in nm, not in the stack's µm
        viewer.add_image(np.zeros((2, 20, 20), np.uint8), units=("nm",) * 3, visible=False)
    corner = np.array([[3, 10, 6], [3, 10, 25], [3, 29, 25], [3, 29, 6]])
    place = {"scale": (0.048, 0.008, 0.008), "translate": (0.5, 1.25, -0.75), "units": ("um",) * 3}
    viewer.add_shapes([corner], shape_type="rectangle", **place)
    export.view.part_form.region_choice.setCurrentText(RECTANGLE)
    assert export.part().region == (10, 30, 6, 26)
    qtbot.waitUntil(lambda: "25 × 20 × 20" in export.view.summary.text(), timeout=WAIT_MS)


def test_a_rectangle_that_is_missing_or_elsewhere_is_asked_for(viewer, export, qtbot):
    export.view.part_form.region_choice.setCurrentText(RECTANGLE)
    qtbot.waitUntil(lambda: "Draw a rectangle first" in export.view.summary.text(), timeout=WAIT_MS)
    far = np.array([[0, 9, 9], [0, 9, 10], [0, 10, 10], [0, 10, 9]], float)
    viewer.add_shapes([far], shape_type="rectangle", units=("um",) * 3)
    qtbot.waitUntil(lambda: "outside this stack" in export.view.summary.text(), timeout=WAIT_MS)
    assert not export.view.export_button.isEnabled()
    place = {"scale": (0.048, 0.008, 0.008), "translate": (0.5, 1.25, -0.75), "units": ("um",) * 3}
    drawn = viewer.add_shapes(ndim=3, **place)
    drawn.add_rectangles(np.array([[0, 10, 6], [0, 10, 25], [0, 29, 25], [0, 29, 6]], float))
    qtbot.waitUntil(lambda: "25 × 20 × 20" in export.view.summary.text(), timeout=WAIT_MS)
    assert export.view.export_button.isEnabled()


@pytest.mark.parametrize("nm_layer_beside", [False, True])
def test_the_part_in_view_follows_the_camera(viewer, export, nm_layer_beside, qtbot):
    if nm_layer_beside:
        viewer.add_image(np.zeros((2, 20, 20), np.uint8), units=("nm",) * 3, visible=False)
    unit = 1.0 if nm_layer_beside else 1000.0
    viewer.scene.camera.center = (0, (1250 + 24 * 8) / unit, (-750 + 20 * 8) / unit)
    height, width = viewer.canvas.size
    viewer.scene.camera.zoom = height / (30 * 8 / unit)
    export.view.part_form.region_choice.setCurrentText(IN_VIEW)
    y0, y1, x0, x1 = export.part().region
    assert (y0, y1) == (9, 40)
    half = 15 * width / height  # the outermost pixels are those that the edges of the canvas cut
    assert x0 - 0.5 <= max(20 - half, 0) <= x0 + 0.5
    assert x1 - 1.5 <= min(20 + half, 39) <= x1 - 0.5
    qtbot.waitUntil(lambda: "25 × 31 ×" in export.view.summary.text(), timeout=WAIT_MS)
    viewer.scene.camera.center = (0, (1250 + 300 * 8) / unit, 0)
    qtbot.waitUntil(lambda: "outside this stack" in export.view.summary.text(), timeout=WAIT_MS)
    viewer.dims.order = (1, 0, 2)
    qtbot.waitUntil(lambda: "xy sections" in export.view.summary.text(), timeout=WAIT_MS)


def test_it_follows_the_models_of_its_viewer(viewer, export, model, spot_model, qtbot):
    assert export.model is model
    newer = open_models(viewer).add(OpenModel("stack", spot_model))
    assert export.model is newer
    open_models(viewer).remove(newer)
    open_models(viewer).remove(model)
    qtbot.waitUntil(lambda: export.view.summary.text() == NO_MODEL, timeout=WAIT_MS)
    assert not export.view.part_form.isEnabled()


def test_a_chosen_grid_region_and_type_reach_the_file(export, spot_model, tmp_path, run):
    form = export.view.part_form
    form.grid_choice.setCurrentText(OTHER)
    for box, value in zip(form.voxel, (12, 16, 16), strict=True):
        box.setValue(value)
    form.dtype_choice.setCurrentText("float32")
    form.last.setValue(2)
    assert form.conversion.isVisibleTo(form)
    assert "keep their values" in form.conversion.text()
    run(export, path=tmp_path / "a.ome.tif", layer=False)
    volume = eg.read(tmp_path / "a.ome.tif")
    assert (volume.shape, volume.voxel_size_nm, volume.dtype) == ((9, 24, 20), (12, 16, 16), np.float32)
    expected = Planes(spot_model, (12, 16, 16), z_range=(0, 2), dtype="float32")
    assert np.array_equal(np.asarray(volume.data[3]), expected[3])
    assert str(tmp_path / "a.ome.tif") in export.view.status.text()


def test_observed_sections_are_softened_if_wanted_and_the_time_is_measured_once(export, qtbot):
    export.view.part_form.even.setChecked(True)
    assert "evened" in export.part().volume(export={}).metadata["napari-emgauss"]
    qtbot.waitUntil(lambda: "about" in export.view.summary.text() or " s" in export.view.summary.text())
    assert len({hash(export.part().source) for _ in range(2)}) == 1
