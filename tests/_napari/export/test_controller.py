"""Export: what it promises, refuses, does and leaves."""

import threading

import pytest
from qtpy.QtWidgets import QMessageBox

import napari_emgauss as eg
from napari_emgauss._napari.export.widget import ExportWidget
from napari_emgauss._napari.viewer.models import NO_MODEL, open_models
from napari_emgauss.resampling.planes import Planes

WAIT_MS = 60_000


@pytest.fixture
def notices(monkeypatch):
    """Texts of the notifications."""
    texts = []
    monkeypatch.setattr("napari.utils.notifications.show_error", texts.append)
    return texts


def test_without_a_model_it_says_what_to_do_next(viewer, qtbot):
    widget = ExportWidget(viewer)
    viewer.window.add_dock_widget(widget)
    export = widget.controller
    assert export.view.summary.text() == NO_MODEL
    assert not export.view.export_button.isEnabled()


def test_it_says_what_will_come_with_a_measured_time(export, qtbot):
    qtbot.waitUntil(
        lambda: "25 × 48 × 40 voxels of 8 × 8 × 8 nm, 48 kB, " in export.view.summary.text(), timeout=WAIT_MS
    )
    qtbot.waitUntil(lambda: export.view.summary.text().endswith(" s"), timeout=WAIT_MS)


def test_cancelling_leaves_no_layer_and_no_file(viewer, export, slow, tmp_path, qtbot):
    export.view.target_form.file_box.setChecked(True)
    export.view.target_form.path_edit.setText(str(tmp_path / "a.ome.zarr"))
    export.start()
    qtbot.waitUntil(lambda: export.view.bar.value() >= 2, timeout=WAIT_MS)
    assert any(tmp_path.iterdir())
    assert export.view.cancel_button.isVisibleTo(export.view)
    export.cancel()
    qtbot.waitUntil(lambda: not export.running, timeout=WAIT_MS)
    assert list(tmp_path.iterdir()) == []
    assert len(viewer.layers) == 1
    assert "Cancelled" in export.view.status.text()
    assert export.view.export_button.isVisibleTo(export.view)


def test_progress_is_shown_in_the_activity_dock_too(export, slow, qtbot):
    from napari.utils import progress

    export.start()
    qtbot.waitUntil(
        lambda: [p.n > 1 for p in progress._all_instances if "Export isotropic" in p.desc] == [True], timeout=WAIT_MS
    )
    export.cancel()
    qtbot.waitUntil(lambda: not export.running, timeout=WAIT_MS)
    assert not list(progress._all_instances)


def test_deleting_stack_and_model_while_it_exports_does_no_harm(viewer, export, model, slow, qtbot):
    export.start()
    viewer.layers.clear()
    open_models(viewer).remove(model)
    qtbot.waitUntil(lambda: not export.running, timeout=WAIT_MS)
    assert [layer.name for layer in viewer.layers] == ["stack · exported"]


def test_replacing_a_file_is_asked_first(export, tmp_path, run, monkeypatch):
    path = tmp_path / "a.mrc"
    path.write_bytes(b"precious")
    asked = []

    def answer(button):
        return lambda *args: asked.append(args[2]) or button

    monkeypatch.setattr(QMessageBox, "question", answer(QMessageBox.StandardButton.No))
    run(export, path=path, layer=False)
    assert path.read_bytes() == b"precious"
    assert "a.mrc already exists" in asked[0]
    monkeypatch.setattr(QMessageBox, "question", answer(QMessageBox.StandardButton.Yes))
    run(export, path=path, layer=False)
    assert eg.read(path).shape == (25, 48, 40)
    assert len(asked) == 2


def test_nowhere_to_export_to_disables_the_button(export, qtbot):
    export.view.target_form.layer_box.setChecked(False)
    qtbot.waitUntil(lambda: "layer, a file, or both" in export.view.summary.text(), timeout=WAIT_MS)
    assert not export.view.export_button.isEnabled()


def test_too_little_memory_is_refused_with_the_remedy(viewer, export, notices, monkeypatch, qtbot):
    class Full:
        available = 1000

    monkeypatch.setattr("psutil.virtual_memory", Full)
    export.start()
    assert not export.running
    assert "Explore z" in notices[0]
    assert len(viewer.layers) == 1


def test_a_folder_that_does_not_exist_and_a_full_disk_are_told(export, notices, tmp_path, monkeypatch, run):
    run(export, path=tmp_path / "nowhere" / "a.mrc")
    assert "does not exist" in notices[-1]
    assert "does not exist" in export.view.status.text()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_emgauss.resampling.export.write", full)
    run(export, path=tmp_path / "a.mrc")
    assert "disk became full" in notices[-1]
    assert export.view.export_button.isVisibleTo(export.view)


def test_planes_are_drawn_elsewhere_than_in_the_gui_thread(export, monkeypatch, run):
    threads = set()
    plane = Planes._draw_plane

    def noted(self, *place):
        threads.add(threading.current_thread().name)
        return plane(self, *place)

    monkeypatch.setattr(Planes, "_draw_plane", noted)
    run(export)
    assert threads == {"emgauss-export"}
