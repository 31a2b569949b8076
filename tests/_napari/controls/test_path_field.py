from pathlib import Path

from qtpy.QtWidgets import QFileDialog

from napari_emgauss._napari.controls.path_field import PathField


def test_a_path_is_typed_or_looked_for(qtbot, monkeypatch, tmp_path):
    field = PathField("Folder")
    qtbot.addWidget(field)
    assert field.path is None
    field.edit.setText("~/data ")
    assert field.path == Path.home() / "data"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    with qtbot.waitSignal(field.changed):
        field.browse.click()
    assert field.path == tmp_path
