"""A question before a file is replaced."""

import pytest
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_emgauss._napari.controls.replacing import may_replace


@pytest.mark.parametrize("button", [QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No])
def test_only_a_file_that_is_there_is_asked_about(qtbot, tmp_path, monkeypatch, button):
    parent, asked = QWidget(), []
    qtbot.addWidget(parent)
    monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or button)
    path = tmp_path / "a.mrc"
    assert may_replace(parent, path)
    assert asked == []
    path.write_bytes(b"precious")
    assert may_replace(parent, path) == (button == QMessageBox.StandardButton.Yes)
    assert "a.mrc already exists" in asked[0]
