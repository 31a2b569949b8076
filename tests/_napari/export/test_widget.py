"""The widget 'Export isotropic' in a real viewer."""

import pytest

WAIT_MS = 60_000


@pytest.mark.parametrize("closing", ["dock", "viewer"])
def test_closing_while_it_exports_leaves_no_file_and_no_thread(viewer, export, slow, closing, tmp_path, qtbot):
    export.view.target_form.file_box.setChecked(True)
    export.view.target_form.path_edit.setText(str(tmp_path / "a.ome.tif"))
    export.start()
    qtbot.waitUntil(lambda: export.view.bar.value() >= 2, timeout=WAIT_MS)
    if closing == "viewer":
        viewer.close()
    else:
        export.view.parent().parent().destroyOnClose()  # what the dock's × does
    qtbot.waitUntil(lambda: list(tmp_path.iterdir()) == [], timeout=WAIT_MS)
