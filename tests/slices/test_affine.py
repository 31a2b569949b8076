import numpy as np
import pytest

from napari_emgauss.errors import VolumeError
from napari_emgauss.slices.affine import check_affine, same_grid


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


def test_affines_that_differ_by_rounding_are_one_grid():
    affine = np.diag([3.0, 1, 1, 1])
    assert same_grid(affine, affine + 1e-6, (20, 300, 300))
    assert not same_grid(affine, affine + 1e-4, (20, 300, 300))
