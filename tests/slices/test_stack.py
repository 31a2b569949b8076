import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import VolumeError
from napari_emgauss.slices import SliceStack, check_stacks, common_scale

AFFINE = np.eye(4)
AFFINE[:3, :3] = Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix() * [3.3, -1.0, 1.2]
AFFINE[:3, 3] = 5, 6, -7


def stack(**changes):
    images = np.random.default_rng(0).random((8, 10, 12)).astype(np.float32) + 1
    mask = np.zeros(images.shape, bool)
    mask[1:7, 2:6, 3:8] = True
    return SliceStack(**{"images": images, "affine": AFFINE, "thickness_mm": 3.0, "mask": mask, **changes})


def test_indices_and_places_are_one_another_s_inverse():
    one = stack()
    at = np.array([[0.5, 2, 3], [7, 9, 11]])
    assert np.allclose(one.indices(one.world(at)), at)
    assert np.allclose(one.world(np.array([0, 0, 0])), AFFINE[:3, 3])


def test_spacing_and_axes_are_those_of_the_affine():
    one = stack()
    assert np.allclose(one.spacing_mm, [3.3, 1.0, 1.2])
    assert np.allclose(one.axes @ one.axes.T, np.eye(3))
    assert np.allclose(one.world(np.array([1, 0, 0])) - one.world(np.array([0, 0, 0])), 3.3 * one.normal)


def test_a_slice_turns_about_the_centroid_of_its_mask():
    one = stack()
    assert np.allclose(one.indices(one.pivots)[1:7], [[s, 3.5, 5] for s in range(1, 7)])
    assert np.allclose(one.indices(one.pivots)[0], [0, 3.5, 5])
    assert one.used.tolist() == [1, 2, 3, 4, 5, 6]
    assert np.allclose(one.indices(one.mask_centre), [3.5, 3.5, 5])


def test_without_a_mask_everything_is_inside():
    one = stack(mask=None)
    assert one.inside.all()
    assert np.allclose(one.pivots.mean(0), one.centre)


def test_interleaved_slices_are_taken_even_ones_first():
    assert stack().acquisition_order.tolist() == [0, 2, 4, 6, 1, 3, 5, 7]


def test_a_moved_stack_has_all_its_points_moved():
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = Rotation.from_rotvec([0, 0.4, 0]).as_matrix(), (1, 2, 3)
    one = stack()
    assert np.allclose(one.moved(matrix).mask_points(), one.mask_points() @ matrix[:3, :3].T + matrix[:3, 3])


def test_slices_left_out_are_not_used():
    assert stack().without(np.array([2, 3])).used.tolist() == [1, 4, 5, 6]


def test_stacks_are_brought_to_one_brightness():
    one, other = stack(), stack().scaled(4.0)
    assert common_scale([one, other]) == pytest.approx([1, 0.25])


@pytest.mark.misuse
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((2, 3, 4, 5), np.float32)}, r"got the shape \(2, 3, 4, 5\)"),
        ({"images": np.full((8, 10, 12), np.nan, np.float32)}, "960 NaN or infinite"),
        ({"mask": np.ones((8, 10, 11), bool)}, r"mask has the shape \(8, 10, 11\)"),
        ({"mask": np.zeros((8, 10, 12), bool)}, "mask is empty"),
        ({"thickness_mm": 0.0}, "thickness_mm must be positive"),
        ({"thickness_mm": 300.0}, "at most 20 times"),
        ({"thickness_mm": "thick"}, "thickness_mm must be positive"),
    ],
)
def test_what_is_no_stack_is_refused(changes, message):
    with pytest.raises(VolumeError, match=message):
        stack(**changes)


def test_stacks_that_share_a_place_are_fine():
    check_stacks([stack(), stack()])


def test_stacks_that_make_no_volume_are_refused():
    away = np.eye(4)
    away[:3, 3] = 500
    with pytest.raises(VolumeError, match="no stacks"):
        check_stacks([])
    with pytest.raises(VolumeError, match="at least 6 slices with something of the object, got 2"):
        check_stacks([stack().without(np.arange(3, 8))])
    with pytest.raises(VolumeError, match="nothing in common in space"):
        check_stacks([stack(), stack(name="coronal").moved(away)])
