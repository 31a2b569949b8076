"""Where an export goes."""

from qtpy.QtWidgets import QFileDialog


def test_format_and_suffix_follow_each_other(export, tmp_path, monkeypatch):
    form = export.view.target_form
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
