import mrcfile
import numpy as np
import pytest

TABLE = """data_

loop_
_rlnImageName
_rlnAngleRot
_rlnAngleTilt
_rlnAnglePsi
_rlnOriginX
_rlnOriginY
_rlnDefocusU
_rlnDefocusV
_rlnDefocusAngle
_rlnVoltage
_rlnSphericalAberration
_rlnAmplitudeContrast
_rlnMagnification
_rlnDetectorPixelSize
"""


@pytest.fixture
def star(tmp_path):
    """A table of 10 particles whose images are in another folder."""
    rows = [
        f"{i + 1}@Extract/few.mrcs {20 * i} {9 * i} {7 * i} 0 0 15000 15000 0 300 2.7 0.1 10000 5" for i in range(10)
    ]
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "few.star").write_text(TABLE + "\n".join(rows) + "\n")
    (tmp_path / "Extract").mkdir()
    images = np.random.default_rng(0).standard_normal((10, 16, 16)).astype(np.float32)
    with mrcfile.new(tmp_path / "Extract" / "few.mrcs") as file:
        file.set_data(images)
        file.set_image_stack()
    return tmp_path / "tables" / "few.star"


def test_a_set_that_is_open_is_described_and_shown(widget, until):
    assert "120 particles of 24 × 24 px" in widget.view.particles.summary.text()
    until(lambda: not widget.controller.busy)
    rows = widget.view.gallery.rows
    assert rows["seen"].isVisibleTo(widget)
    assert rows["seen"].titles == ["1", "31", "61", "91"]
    assert all(" in " in title for title in rows["averages"].titles)
    assert not rows["predicted"].isVisibleTo(widget)
    widget.view.gallery.others.click()
    until(lambda: not widget.controller.busy)
    assert rows["seen"].titles == ["2", "32", "62", "92"]


def test_a_file_is_opened_once_its_images_are_found(widget, viewer, star, until, told):
    form = widget.view.particles
    form.file.set_path(star)
    form.open_button.click()
    until(lambda: not widget.controller.selection.busy)
    assert "few.mrcs was found in none of" in form.summary.text()
    assert told()
    form.data_dir.set_path(star.parents[1])
    form.open_button.click()
    until(lambda: not widget.controller.busy)
    assert "10 particles of 16 × 16 px, 5 Å per pixel" in form.summary.text()
    assert widget.controller.selection.layer.name == "few [1]"
    assert not form.files.isExpanded()
    viewer.layers.remove("few [1]")
    assert "120 particles" in form.summary.text()


def test_poses_and_ctfs_are_asked_for_where_a_file_holds_images_only(widget, tmp_path):
    form = widget.view.particles
    form.file.set_path(tmp_path / "images.mrcs")
    form.poses.set_path(tmp_path / "poses.npz")
    assert not form.data_dir.isVisibleTo(form)
    assert form.poses.isVisibleTo(form)
    options = form.entered().options
    assert (options["poses"], options["with_ctf"]) == (tmp_path / "poses.npz", False)
    form.file.set_path(tmp_path / "particles.cs")
    assert form.passthrough.isVisibleTo(form)
    form.file.set_path(tmp_path / "particles.star")
    assert not form.passthrough.isVisibleTo(form)
    assert form.data_dir.isVisibleTo(form)
    assert "with_ctf" not in form.entered().options
    assert form.entered().options["poses"] is None
