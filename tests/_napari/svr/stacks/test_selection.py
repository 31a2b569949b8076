import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_emgauss._napari.svr.stacks.form import DRAW, StacksForm
from napari_emgauss._napari.svr.stacks.selection import StackSelection
from napari_emgauss.errors import VolumeError
from napari_emgauss.io.stacks import write_stack

WAIT_MS = 20_000


@pytest.fixture
def viewer():
    """Without a window: nothing here needs one."""
    return ViewerModel()


@pytest.fixture
def selection(viewer, qtbot):
    form = StacksForm()
    qtbot.addWidget(form)
    return StackSelection(form, viewer)


def test_stacks_are_read_as_they_were_with_the_masks_on_their_grids(selection, head, add_stacks):
    add_stacks(head)
    read = [stack.read() for stack in selection.chosen()]
    for stack, expected in zip(read, head, strict=True):
        assert np.array_equal(stack.images, expected.images)
        assert np.array_equal(stack.mask, expected.mask)
        assert np.allclose(stack.affine, expected.affine)
        assert stack.thickness_mm == 3.0
    assert "3 stacks with" in selection.form.summary.text()
    assert not selection.form.warning.text()


def test_the_reference_comes_first_and_is_a_stack_that_is_ticked(selection, head, add_stacks):
    layers = add_stacks(head)
    selection.form.reference.choose(layers[2])
    assert [stack.image.name for stack in selection.chosen()] == ["sagittal", "axial", "coronal"]
    selection.form.rows[layers[2]].tick.setChecked(False)
    assert [stack.image.name for stack in selection.chosen()] == ["axial", "coronal"]


def test_a_thickness_that_is_only_a_distance_is_warned_of_until_one_is_entered(selection, head, add_stacks, viewer):
    (layer, _mask) = add_stacks(head[:1], thickness_mm=None)
    assert selection.form.warning.text().startswith("⚠ The thickness of axial is not known")
    selection.form.rows[layer].thickness.setValue(2.5)
    assert not selection.form.warning.text()
    assert selection.chosen()[0].thickness_mm == 2.5
    viewer.layers.remove(layer)
    viewer.add_layer(layer)
    assert selection.chosen()[0].thickness_mm == 2.5  # kept with the layer


def test_a_thickness_is_remembered_for_its_file(selection, head, viewer, tmp_path, qtbot):
    path = write_stack(head[0], tmp_path / "a.nii.gz")
    selection.open([path])
    qtbot.waitUntil(lambda: "a" in viewer.layers, timeout=WAIT_MS)
    selection.form.rows[viewer.layers["a"]].thickness.setValue(2.25)
    viewer.layers.clear()
    assert selection.form.rows == {}
    selection.open([path])
    qtbot.waitUntil(lambda: "a" in viewer.layers, timeout=WAIT_MS)
    assert selection.chosen()[0].thickness_mm == 2.25
    assert not selection.form.warning.text()


def test_a_file_that_cannot_be_read_is_told(selection, tmp_path, qtbot, told, viewer):
    (tmp_path / "broken.nii").write_bytes(b"no image at all")
    selection.open([tmp_path / "broken.nii"])
    qtbot.waitUntil(lambda: any("broken.nii" in message for message in told()), timeout=WAIT_MS)
    assert len(viewer.layers) == 0


def test_a_mask_can_be_drawn(selection, head, add_stacks, viewer):
    layer = add_stacks(head[:1])[0]
    row = selection.form.rows[layer]
    row.mask.choose(DRAW)
    mask = viewer.layers.selection.active
    assert (mask.mode, mask.data.shape, row.mask.item) == ("paint", layer.data.shape, mask)
    with pytest.raises(VolumeError, match="marks nothing"):
        selection.chosen()[0].read()
    mask.data[:, 3:9, 3:9] = 1
    assert selection.chosen()[0].read().mask.sum() == mask.data.sum()


def test_only_thick_stacks_with_a_place_are_ticked_and_results_are_not_offered(selection, viewer):
    isotropic = viewer.add_image(np.zeros((8, 8, 8), np.float32), scale=(1.5, 1.5, 1.5), units=("mm",) * 3)
    viewer.add_image(np.zeros((8, 8, 8), np.float32), name="pixels only")
    viewer.add_image(np.zeros((8, 8, 8), np.float32), scale=(2, 2, 2), metadata={"napari-emgauss": {}})
    viewer.add_image(np.zeros((8, 8)), name="flat")
    thick = viewer.add_image(np.zeros((8, 8, 8), np.float32), scale=(4, 1, 1), units=("mm",) * 3)
    rows = selection.form.rows
    assert [rows[layer].ticked for layer in rows] == [False, True]
    assert list(rows) == [isotropic, thick]


def test_why_a_layer_without_voxel_size_is_no_stack_is_told_and_it_is_one_with_a_scale(selection, viewer):
    layer = viewer.add_image(np.zeros((6, 20, 20), np.uint8), name="plain")
    assert not selection.form.rows
    assert "Not listed: plain: the size of its voxels is not known." in selection.form._none.text()
    layer.scale = (4, 1, 1)
    assert list(selection.form.rows) == [layer]
    assert "Not listed" not in selection.form._none.text()


def test_rows_follow_names_and_removals(selection, head, add_stacks, viewer):
    layer = add_stacks(head[:1])[0]
    layer.name = "brain"
    assert selection.form.rows[layer].tick.text() == "brain"
    viewer.layers.remove(layer)
    assert not selection.form.rows
    with pytest.raises(VolumeError, match="open the stacks first"):
        selection.chosen()
    assert selection.chosen_or_none() == []


def test_masks_of_files_and_stacks_of_files_find_each_other(selection, head, viewer, tmp_path, qtbot):
    path = write_stack(head[0], tmp_path / "a.nii.gz")
    image = nibabel.load(path)
    nibabel.save(
        nibabel.Nifti1Image(head[0].mask.transpose(2, 1, 0).astype(np.uint8), image.affine), tmp_path / "m.nii.gz"
    )
    selection.open([path, tmp_path / "m.nii.gz"])
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT_MS)
    assert np.array_equal(selection.chosen()[0].read().mask, head[0].mask)
