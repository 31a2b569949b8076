import itertools
import json

import nibabel
import numpy as np
import pytest
import tifffile
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.stacks import read_stack, write_stack
from napari_emgauss.slices import SliceStack

SPACING = np.array([1.1, 1.3, 4.0])
POINT = np.array([7, 5, 3])
TURN = Rotation.from_rotvec([0.4, -0.3, 0.2]).as_matrix()


def feature(order=(0, 1, 2), flips=(1, 1, 1), turn=TURN):
    """Return voxels (i, j, k) with one bright point, their affine, and where the point is in the world."""
    values = np.zeros((14, 12, 8), np.float32)
    values[tuple(POINT)] = 100
    affine = np.eye(4)
    affine[:3, :3] = turn * SPACING
    affine[:3, 3] = 12, -34, 56
    place = affine[:3, :3] @ POINT + affine[:3, 3]
    for axis, flip in enumerate(flips):
        if flip < 0:
            affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
            affine[:3, axis] *= -1
            values = np.flip(values, axis)
    return values.transpose(order), affine[:, [*order, 3]], place


def saved(path, values, affine):
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values), affine), path)
    return path


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_a_feature_is_where_the_file_says_whatever_the_order_and_direction_of_its_axes(tmp_path, order, flips):
    values, affine, place = feature(order, flips)
    stack = read_stack(saved(tmp_path / "a.nii.gz", values, affine), thickness_mm=4)
    at = np.unravel_index(np.argmax(stack.images), stack.images.shape)
    assert np.allclose(stack.world(np.array(at)), place, atol=1e-3)
    assert np.allclose(stack.spacing_mm, [4.0, *stack.spacing_mm[1:]])
    assert stack.images.shape[0] == 8


def test_slices_lie_along_the_axis_that_one_names(tmp_path):
    stack = read_stack(saved(tmp_path / "a.nii", *feature()[:2]), thickness_mm=1, slice_axis=0)
    assert stack.images.shape == (14, 8, 12)
    with pytest.raises(VolumeError, match="slice_axis must be 0, 1 or 2, got 3"):
        read_stack(tmp_path / "a.nii", thickness_mm=1, slice_axis=3)


def test_where_no_axis_is_clearly_coarser_the_header_says_and_else_it_is_the_third(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((8, 9, 10), np.float32), np.diag([1, 1, 1.1, 1]))
    nibabel.save(image, tmp_path / "a.nii")
    image.header.set_dim_info(slice=1)
    nibabel.save(image, tmp_path / "b.nii")
    assert [read_stack(tmp_path / f, thickness_mm=1).n_slices for f in ("a.nii", "b.nii")] == [10, 9]


def test_the_thickness_comes_from_the_caller_then_the_sidecar_then_the_spacing(tmp_path):
    path = saved(tmp_path / "a.nii.gz", *feature()[:2])
    with pytest.warns(UserWarning, match="taken to be their spacing, 4 mm"):
        assert read_stack(path).thickness_mm == pytest.approx(4)
    for unusable in ("not json", '{"SliceThickness": -1}', "[]"):
        (tmp_path / "a.json").write_text(unusable)
        with pytest.warns(UserWarning, match="not known"):
            read_stack(path)
    (tmp_path / "a.json").write_text(json.dumps({"SliceThickness": 3.0}))
    assert read_stack(path).thickness_mm == 3.0
    assert read_stack(path, thickness_mm=2.0).thickness_mm == 2.0


def test_a_mask_of_the_same_grid_is_taken_as_it_is_whatever_rounding_made_of_its_affine(tmp_path):
    values, affine, _ = feature()
    mask = np.random.default_rng(0).random(values.shape) > 0.5
    path = saved(tmp_path / "a.nii", values, affine)
    saved(tmp_path / "m.nii.gz", mask.astype(np.uint8), affine + 1e-5)
    stack = read_stack(path, mask=tmp_path / "m.nii.gz", thickness_mm=4)
    assert (stack.mask == mask.transpose(2, 1, 0)).all()


def test_a_mask_with_permuted_axes_marks_the_same_places(tmp_path):
    values, affine, place = feature()
    other, other_affine, _ = feature((2, 0, 1), (-1, 1, -1))
    path = saved(tmp_path / "a.nii", values, affine)
    stack = read_stack(path, mask=saved(tmp_path / "m.nii", other, other_affine), thickness_mm=4)
    assert np.allclose(stack.mask_points(), place[None], atol=1e-3)


def test_a_mask_on_another_grid_is_resampled(tmp_path):
    values, affine, _ = feature()
    fine = np.diag([0.5, 0.5, 0.5, 1])
    fine[:3, 3] = affine[:3, :3] @ POINT + affine[:3, 3] - 10
    at = np.stack(np.meshgrid(*(np.arange(41),) * 3, indexing="ij"), -1) * 0.5 - 10
    ball = (np.linalg.norm(at, axis=-1) < 6).astype(np.uint8)
    stack = read_stack(
        saved(tmp_path / "a.nii", values, affine), mask=saved(tmp_path / "m.nii", ball, fine), thickness_mm=4
    )
    centre = fine[:3, 3] + 10
    distance = np.linalg.norm(stack.world(np.argwhere(np.ones(stack.images.shape))) - centre, axis=1)
    inside = stack.mask.ravel()
    assert distance[inside].max() < 6.5
    assert distance[~inside].min() > 5.5


def test_a_mask_may_be_an_array_or_a_tiff(tmp_path):
    values = feature()[0]
    path = saved(tmp_path / "a.nii", np.zeros((20, 18, 8), np.float32), np.diag([1, 1, 4, 1]))
    mask = np.zeros((8, 18, 20), np.uint8)
    mask[2:4, 3:9, 4:8] = 1
    tifffile.imwrite(tmp_path / "m.tif", mask)
    for given in (mask, tmp_path / "m.tif"):
        assert (read_stack(path, mask=given, thickness_mm=4).mask == (mask > 0)).all()
    with pytest.raises(VolumeError, match=r"mask has the shape"):
        read_stack(path, mask=values, thickness_mm=4)


def test_a_mask_elsewhere_or_of_nan_is_refused(tmp_path):
    values, affine, _ = feature()
    path = saved(tmp_path / "a.nii", values, affine)
    away = affine.copy()
    away[:3, 3] += 500
    saved(tmp_path / "m.nii", values, away)
    with pytest.raises(VolumeError, match="marks nothing in a"):
        read_stack(path, mask=tmp_path / "m.nii", thickness_mm=4)
    saved(tmp_path / "m.nii", np.full_like(values, np.nan), affine)
    with pytest.raises(VolumeError, match="NaN"):
        read_stack(path, mask=tmp_path / "m.nii", thickness_mm=4)
    nibabel.save(nibabel.Nifti1Image(values, None), tmp_path / "m.nii")
    with pytest.raises(VolumeError, match=r"m.nii states no place in space"):
        read_stack(path, mask=tmp_path / "m.nii", thickness_mm=4)


def test_single_slices_make_a_stack_in_whatever_order_they_come(tmp_path):
    whole = SliceStack(
        np.random.default_rng(0).random((6, 9, 7)).astype(np.float32), feature()[1][:, [2, 1, 0, 3]], 4.0
    )
    folder = tmp_path / "slices"
    folder.mkdir()
    for n, s in enumerate((3, 0, 5, 1, 4, 2)):
        one = whole.affine.copy()
        one[:3, 3] = whole.world(np.array([s, 0, 0]))
        write_stack(SliceStack(whole.images[s : s + 1], one, 4.0), folder / f"{n}.nii")
    for given in (folder, sorted(folder.iterdir())):
        stack = read_stack(given, thickness_mm=3)
        along = np.sign(stack.normal @ whole.normal)
        assert np.allclose(stack.images[:: int(along)], whole.images)
        assert np.allclose(
            stack.world(np.array([0, 0, 0])), whole.world(np.array([0 if along > 0 else 5, 0, 0])), atol=1e-4
        )
        assert stack.name == "slices"


def test_files_that_make_no_stack_are_refused(tmp_path):
    files = []
    for n, step in enumerate((0, 4, 9)):
        affine = np.diag([1.0, 1, 4, 1])
        affine[2, 3] = step
        files.append(saved(tmp_path / f"{n}.nii", np.zeros((8, 8, 1), np.float32), affine))
    with pytest.raises(VolumeError, match="3 files do not make one stack"):
        read_stack(files, thickness_mm=4)
    with pytest.raises(VolumeError, match="no files"):
        read_stack([], thickness_mm=4)


def test_a_stack_of_another_format_needs_a_place(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (6, 18, 20)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", images)
    with pytest.raises(VolumeError, match="does not say where its slices are"):
        read_stack(tmp_path / "a.tif")
    voxel = (40e6 / 1e4, 8e3, 8e3)
    stack = read_stack(tmp_path / "a.tif", orientation="coronal", voxel_size_nm=voxel, thickness_mm=0.004)
    assert np.allclose(stack.normal, [0, 1, 0])
    assert np.allclose(stack.spacing_mm, [0.004, 0.008, 0.008])
    assert np.allclose(stack.centre, 0)
    given = np.diag([0.1, 0.01, 0.01, 1])
    assert np.allclose(
        read_stack(tmp_path / "a.tif", affine=given, voxel_size_nm=voxel, thickness_mm=0.1).affine, given
    )


def test_nifti_without_a_place_is_taken_with_an_affine_alone(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 9, 10), np.float32), None), tmp_path / "a.nii")
    with pytest.raises(VolumeError, match="Pass an affine"):
        read_stack(tmp_path / "a.nii", thickness_mm=3)
    stack = read_stack(tmp_path / "a.nii", thickness_mm=3, affine=np.diag([3.0, 1, 1, 1]))
    assert np.allclose(stack.affine, np.diag([3.0, 1, 1, 1]))


@pytest.mark.parametrize("bad", ["sheared", "nan"])
def test_a_sheared_affine_and_nan_are_refused(tmp_path, bad):
    values, affine, _ = feature()
    if bad == "sheared":
        affine[0, 1] += 0.3
    else:
        values = np.full_like(values, np.nan)
    with pytest.raises(VolumeError, match=rf"a\.nii.*{bad}|NaN"):
        read_stack(saved(tmp_path / "a.nii", values, affine), thickness_mm=4)


def test_orientation_and_kind_of_file_must_fit(tmp_path):
    path = saved(tmp_path / "a.nii", *feature()[:2])
    with pytest.raises(VolumeError, match="states its orientation"):
        read_stack(path, orientation="axial")
    (tmp_path / "a.tif").write_bytes(b"II*\x00")
    with pytest.raises(FileFormatError, match="is no NIfTI file"):
        read_stack([tmp_path / "a.tif"], thickness_mm=1)
    with pytest.raises(FileNotFoundError):
        read_stack(tmp_path / "none.nii")
