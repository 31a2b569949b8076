"""The widget 'Export isotropic' in a real viewer."""

import threading
import time
import weakref

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

import napari_emgauss as eg
from napari_emgauss._napari.export.part import IN_VIEW, NO_MODEL, OTHER, RECTANGLE
from napari_emgauss._napari.export.widget import ExportWidget
from napari_emgauss._napari.hooks.readers import get_volume_reader
from napari_emgauss._napari.viewer.layers import LayerPlacement, stack_of
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.volume import Volume

SPOT = (3, 20, 29)


@pytest.fixture(scope="module")
def spot() -> np.ndarray:
    """Five grey sections with one bright blob in section 3."""
    y, x = np.mgrid[:48, :40]
    data = np.full((5, 48, 40), 40.0)
    data[SPOT[0]] += 200 * np.exp(-0.5 * ((y - SPOT[1]) ** 2 + (x - SPOT[2]) ** 2) / 2.0**2)
    return data.astype(np.uint8)


@pytest.fixture
def spot_layer(viewer, spot):
    place = {"scale": (0.048, 0.008, 0.008), "translate": (0.5, 1.25, -0.75), "units": ("um",) * 3}
    return viewer.add_image(spot, name="stack", contrast_limits=(30, 230), colormap="magma", **place)


@pytest.fixture(scope="module")
def spot_model(spot) -> eg.Reconstruction:
    volume = Volume(spot, (48, 8, 8), (500, 1250, -750))
    return eg.reconstruct(volume, preset="fast", joint=60, bootstrap=0, leave_out_damaged=False)


@pytest.fixture
def model(viewer, spot_layer, spot_model) -> OpenModel:
    placement, source = LayerPlacement.of(spot_layer), weakref.ref(spot_layer)
    return open_models(viewer).add(OpenModel("stack · fast", spot_model, placement, stack_of(spot_layer), source))


@pytest.fixture
def widget(viewer, model) -> ExportWidget:
    widget = ExportWidget(viewer)
    viewer.window.add_dock_widget(widget)
    return widget


@pytest.fixture
def slow(monkeypatch):
    """Every plane takes a twentieth of a second."""
    plane = Planes._draw_plane

    def slowly(self, *place):
        time.sleep(0.05)
        return plane(self, *place)

    monkeypatch.setattr(Planes, "_draw_plane", slowly)


def place_of_spot(data, scale, translate, nm_per_unit=1.0):
    """Centre of mass of the brightest plane's blob, in nm."""
    data = np.asarray(data).astype(float)
    data = np.clip(data - data.min() - 0.3 * np.ptp(data), 0, None)
    centre = [
        float((data.sum(axis=tuple(a for a in range(3) if a != axis)) @ np.arange(n)) / data.sum())
        for axis, n in enumerate(data.shape)
    ]
    return (np.array(centre) * scale + translate) * nm_per_unit


def export(qtbot, widget, *, path=None, layer=True):
    widget.target_form.layer_box.setChecked(layer)
    widget.target_form.file_box.setChecked(path is not None)
    if path is not None:
        widget.target_form.path_edit.setText(str(path))
        widget.target_form.path_edit.editingFinished.emit()
    widget.start()
    qtbot.waitUntil(lambda: not widget.running, timeout=20_000)


def test_without_a_model_it_says_what_to_do_next(viewer, qtbot):
    widget = ExportWidget(viewer)
    viewer.window.add_dock_widget(widget)
    assert widget.summary.text() == NO_MODEL
    assert not widget.export_button.isEnabled()


def test_it_follows_the_models_of_its_viewer(viewer, widget, model, spot_model, qtbot):
    assert widget.part_form.model is model
    newer = open_models(viewer).add(OpenModel("stack", spot_model))
    assert widget.part_form.model is newer
    open_models(viewer).remove(newer)
    open_models(viewer).remove(model)
    qtbot.waitUntil(lambda: widget.summary.text() == NO_MODEL)
    assert not widget.part_form.isEnabled()


def test_it_says_what_will_come_with_a_measured_time(widget, qtbot):
    qtbot.waitUntil(lambda: "25 × 48 × 40 voxels of 8 × 8 × 8 nm, 48 kB, " in widget.summary.text())
    qtbot.waitUntil(lambda: widget.summary.text().endswith(" s"), timeout=5000)


def test_the_layer_overlays_the_stack_exactly_and_looks_like_it(viewer, widget, spot_layer, spot_model, qtbot):
    export(qtbot, widget)
    layer = viewer.layers[-1]
    assert layer.name == "stack isotropic"
    assert np.array_equal(layer.data, spot_model.resample().data)
    assert [str(u) for u in layer.units] == [str(u) for u in spot_layer.units]
    assert tuple(layer.scale) == pytest.approx((0.008, 0.008, 0.008))
    for k in range(5):
        assert layer.data_to_world((6 * k, 7, 9)) == pytest.approx(spot_layer.data_to_world((k, 7, 9)))
    assert tuple(layer.contrast_limits) == tuple(spot_layer.contrast_limits)
    assert layer.colormap.name == "magma"
    record = layer.metadata["napari-emgauss"]
    assert record["preset"] == spot_model.record["preset"]
    assert record["export"].keys() >= {"voxel_size_nm", "region_px", "sections", "date", "program"}
    assert "Made layer 'stack isotropic' in" in widget.status.text()


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".mrc"])
def test_the_file_reopened_shows_the_spot_at_the_same_place(viewer, widget, spot, spot_layer, suffix, tmp_path, qtbot):
    widget.part_form.first.setValue(1)
    export(qtbot, widget, path=tmp_path / f"a{suffix}")
    made = viewer.layers[-1]
    (data, attributes, _), *_ = get_volume_reader(str(tmp_path / f"a{suffix}"))(str(tmp_path / f"a{suffix}"))
    assert np.array_equal(np.asarray(data[:]), made.data)
    reopened = viewer.add_image(np.asarray(data[:]), **attributes)
    truth = place_of_spot(spot, spot_layer.scale, spot_layer.translate, 1000)
    assert truth == pytest.approx((500 + 3 * 48, 1250 + 20 * 8, -750 + 29 * 8), abs=0.5)
    assert place_of_spot(made.data, made.scale, made.translate, 1000) == pytest.approx(truth, abs=4)
    assert place_of_spot(data[:], attributes["scale"], attributes["translate"]) == pytest.approx(truth, abs=4)
    # In the viewer, whose world is now in nm, both cover the same box.
    boxes = [viewer.layers.get_extent([layer]).world for layer in (made, reopened)]
    assert np.allclose(boxes[0] * 1000, boxes[1], atol=1e-2)
    assert attributes["metadata"]["napari-emgauss"]["export"] == made.metadata["napari-emgauss"]["export"]


def test_a_chosen_grid_region_and_type_reach_the_file(widget, spot_model, tmp_path, qtbot):
    form = widget.part_form
    form.grid_choice.setCurrentText(OTHER)
    for box, value in zip(form.voxel, (12, 16, 16), strict=True):
        box.setValue(value)
    form.dtype_choice.setCurrentText("float32")
    form.last.setValue(2)
    assert form.conversion.isVisibleTo(form)
    assert "keep their values" in form.conversion.text()
    export(qtbot, widget, path=tmp_path / "a.ome.tif", layer=False)
    volume = eg.read(tmp_path / "a.ome.tif")
    assert (volume.shape, volume.voxel_size_nm, volume.dtype) == ((9, 24, 20), (12, 16, 16), np.float32)
    expected = Planes(spot_model, (12, 16, 16), z_range=(0, 2), dtype="float32")
    assert np.array_equal(np.asarray(volume.data[3]), expected[3])
    assert str(tmp_path / "a.ome.tif") in widget.status.text()


@pytest.mark.parametrize("nm_layer_beside", [False, True])
def test_a_rectangle_gives_the_pixels_it_touches(viewer, widget, nm_layer_beside, qtbot):
    if nm_layer_beside:  # napari's world is then in nm, not in the stack's µm
        viewer.add_image(np.zeros((2, 20, 20), np.uint8), units=("nm",) * 3, visible=False)
    corner = np.array([[3, 10, 6], [3, 10, 25], [3, 29, 25], [3, 29, 6]])
    place = {"scale": (0.048, 0.008, 0.008), "translate": (0.5, 1.25, -0.75), "units": ("um",) * 3}
    viewer.add_shapes([corner], shape_type="rectangle", **place)
    widget.part_form.region_choice.setCurrentText(RECTANGLE)
    assert widget.part_form.part().region == (10, 30, 6, 26)
    qtbot.waitUntil(lambda: "25 × 20 × 20" in widget.summary.text())


def test_a_rectangle_that_is_missing_or_elsewhere_is_asked_for(viewer, widget, qtbot):
    widget.part_form.region_choice.setCurrentText(RECTANGLE)
    qtbot.waitUntil(lambda: "Draw a rectangle first" in widget.summary.text())
    far = np.array([[0, 9, 9], [0, 9, 10], [0, 10, 10], [0, 10, 9]], float)
    viewer.add_shapes([far], shape_type="rectangle", units=("um",) * 3)
    qtbot.waitUntil(lambda: "outside this stack" in widget.summary.text())
    assert not widget.export_button.isEnabled()
    place = {"scale": (0.048, 0.008, 0.008), "translate": (0.5, 1.25, -0.75), "units": ("um",) * 3}
    drawn = viewer.add_shapes(ndim=3, **place)
    drawn.add_rectangles(np.array([[0, 10, 6], [0, 10, 25], [0, 29, 25], [0, 29, 6]], float))
    qtbot.waitUntil(lambda: "25 × 20 × 20" in widget.summary.text())
    assert widget.export_button.isEnabled()


@pytest.mark.parametrize("nm_layer_beside", [False, True])
def test_the_part_in_view_follows_the_camera(viewer, widget, nm_layer_beside, qtbot):
    if nm_layer_beside:
        viewer.add_image(np.zeros((2, 20, 20), np.uint8), units=("nm",) * 3, visible=False)
    unit = 1.0 if nm_layer_beside else 1000.0
    viewer.scene.camera.center = (0, (1250 + 24 * 8) / unit, (-750 + 20 * 8) / unit)
    height, width = viewer.canvas.size
    viewer.scene.camera.zoom = height / (30 * 8 / unit)
    widget.part_form.region_choice.setCurrentText(IN_VIEW)
    y0, y1, x0, x1 = widget.part_form.part().region
    assert (y0, y1) == (9, 40)
    half = 15 * width / height  # the outermost pixels are those that the edges of the canvas cut
    assert x0 - 0.5 <= max(20 - half, 0) <= x0 + 0.5
    assert x1 - 1.5 <= min(20 + half, 39) <= x1 - 0.5
    qtbot.waitUntil(lambda: "25 × 31 ×" in widget.summary.text())
    viewer.scene.camera.center = (0, (1250 + 300 * 8) / unit, 0)
    qtbot.waitUntil(lambda: "outside this stack" in widget.summary.text())
    viewer.dims.order = (1, 0, 2)
    qtbot.waitUntil(lambda: "xy sections" in widget.summary.text())


def test_cancelling_leaves_no_layer_and_no_file(viewer, widget, slow, tmp_path, qtbot):
    widget.target_form.file_box.setChecked(True)
    widget.target_form.path_edit.setText(str(tmp_path / "a.ome.zarr"))
    widget.start()
    qtbot.waitUntil(lambda: widget.bar.value() >= 2, timeout=5000)
    assert any(tmp_path.iterdir())
    assert widget.cancel_button.isVisibleTo(widget)
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.running, timeout=5000)
    assert list(tmp_path.iterdir()) == []
    assert len(viewer.layers) == 1
    assert "Cancelled" in widget.status.text()
    assert widget.export_button.isVisibleTo(widget)


def test_progress_is_shown_in_the_activity_dock_too(widget, slow, qtbot):
    from napari.utils import progress

    widget.start()
    qtbot.waitUntil(lambda: [p.n > 1 for p in progress._all_instances if "Export isotropic" in p.desc] == [True])
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.running, timeout=5000)
    assert not list(progress._all_instances)


@pytest.mark.parametrize("closing", ["dock", "viewer"])
def test_closing_while_it_exports_leaves_no_file_and_no_thread(viewer, widget, slow, closing, tmp_path, qtbot):
    widget.target_form.file_box.setChecked(True)
    widget.target_form.path_edit.setText(str(tmp_path / "a.ome.tif"))
    widget.start()
    qtbot.waitUntil(lambda: widget.bar.value() >= 2, timeout=5000)
    if closing == "viewer":
        viewer.close()
    else:
        widget.parent().destroyOnClose()  # what the dock's × does
    qtbot.waitUntil(lambda: list(tmp_path.iterdir()) == [], timeout=5000)


def test_deleting_stack_and_model_while_it_exports_does_no_harm(viewer, widget, model, slow, qtbot):
    widget.start()
    viewer.layers.clear()
    open_models(viewer).remove(model)
    qtbot.waitUntil(lambda: not widget.running, timeout=20_000)
    assert [layer.name for layer in viewer.layers] == ["stack isotropic"]


def test_replacing_a_file_is_asked_first(widget, tmp_path, qtbot, monkeypatch):
    path = tmp_path / "a.mrc"
    path.write_bytes(b"precious")
    asked = []

    def answer(button):
        return lambda *args: asked.append(args[2]) or button

    monkeypatch.setattr(QMessageBox, "question", answer(QMessageBox.StandardButton.No))
    export(qtbot, widget, path=path, layer=False)
    assert path.read_bytes() == b"precious"
    assert "a.mrc already exists" in asked[0]
    monkeypatch.setattr(QMessageBox, "question", answer(QMessageBox.StandardButton.Yes))
    export(qtbot, widget, path=path, layer=False)
    assert eg.read(path).shape == (25, 48, 40)
    assert len(asked) == 2


def test_format_and_suffix_follow_each_other(widget, tmp_path, monkeypatch):
    form = widget.target_form
    form.file_box.setChecked(True)
    assert form.path_edit.text().endswith("stack-isotropic.ome.tif")
    form.format_choice.setCurrentText("OME-Zarr")
    assert form.path_edit.text().endswith("stack-isotropic.ome.zarr")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args, **kwargs: (str(tmp_path / "b.mrc"), ""))
    form.browse()
    assert (form.format_choice.currentText(), form.path) == ("MRC", tmp_path / "b.mrc")
    for typed, expected in (("c", "c.mrc"), ("d.v2", "d.v2.mrc"), ("e.tif", "e.tif"), ("f.ome.tiff", "f.ome.tiff")):
        form.path_edit.setText(str(tmp_path / typed))
        form.path_edit.editingFinished.emit()
        assert form.path == tmp_path / expected


def test_nowhere_to_export_to_disables_the_button(widget, qtbot):
    widget.target_form.layer_box.setChecked(False)
    qtbot.waitUntil(lambda: "layer, a file, or both" in widget.summary.text())
    assert not widget.export_button.isEnabled()


def test_too_little_memory_is_refused_with_the_remedy(viewer, widget, notices, monkeypatch, qtbot):
    class Full:
        available = 1000

    monkeypatch.setattr("napari_emgauss.resampling.export.psutil.virtual_memory", Full)
    widget.start()
    assert not widget.running
    assert "Explore z" in notices[0]
    assert len(viewer.layers) == 1


def test_a_folder_that_does_not_exist_and_a_full_disk_are_told(widget, notices, tmp_path, monkeypatch, qtbot):
    export(qtbot, widget, path=tmp_path / "nowhere" / "a.mrc")
    assert "does not exist" in notices[-1]
    assert "does not exist" in widget.status.text()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_emgauss.resampling.export.write", full)
    export(qtbot, widget, path=tmp_path / "a.mrc")
    assert "disk became full" in notices[-1]
    assert widget.export_button.isVisibleTo(widget)


@pytest.fixture
def notices(monkeypatch):
    """Texts of the notifications."""
    texts = []
    monkeypatch.setattr("napari.utils.notifications.show_error", texts.append)
    return texts


def test_planes_are_drawn_elsewhere_than_in_the_gui_thread(widget, monkeypatch, qtbot):
    threads = set()
    plane = Planes._draw_plane

    def noted(self, *place):
        threads.add(threading.current_thread().name)
        return plane(self, *place)

    monkeypatch.setattr(Planes, "_draw_plane", noted)
    export(qtbot, widget)
    assert threads == {"emgauss-export"}
