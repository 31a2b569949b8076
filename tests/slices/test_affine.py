import numpy as np
import pytest

from napari_emgauss.errors import VolumeError
from napari_emgauss.slices.affine import check_affine, placed_affine


def test_a_flip_is_fine():
    assert np.allclose(check_affine(np.diag([-3.0, 1, 1, 1]), "stack"), np.diag([-3.0, 1, 1, 1]))


@pytest.mark.misuse
@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.eye(3), "4 × 4"),
        (np.diag([1, 1, 0, 1.0]), "spacing"),
        (np.diag([1, 1, np.nan, 1.0]), "finite"),
        (np.diag([1, 1, 1, 2.0]), "last row"),
        (np.array([[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "sheared"),
        ("affine", "4 × 4"),
    ],
)
def test_an_affine_that_is_none_is_refused(affine, message):
    with pytest.raises(VolumeError, match=message):
        check_affine(affine, "axial")


def test_a_placed_stack_lies_around_the_origin():
    affine = placed_affine((5, 4, 3), np.array([3.0, 1, 2]), "sagittal")
    assert np.allclose(affine[:3, :3].T, [[3, 0, 0], [0, 0, 1], [0, 2, 0]])
    assert np.allclose(affine @ [2, 1.5, 1, 1], [0, 0, 0, 1])


@pytest.mark.misuse
def test_an_unknown_orientation_is_refused():
    with pytest.raises(VolumeError, match="must be one of axial, coronal, sagittal, got 'diagonal'"):
        placed_affine((5, 4, 3), np.ones(3), "diagonal")
