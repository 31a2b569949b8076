"""Checks of what is drawn."""

import pytest
import torch

from napari_emgauss.render import splat


def scene(n=3, dtype=torch.float32):
    return (
        torch.zeros(n, 2, dtype=dtype),
        torch.tensor([[1.0, 0.0, 1.0]], dtype=dtype).repeat(n, 1),
        torch.ones(n).to(dtype),
    )


@pytest.mark.misuse
@pytest.mark.parametrize(
    ("which", "wrong", "rule"),
    [
        (0, torch.zeros(3, 3), r"means_px must have shape \(n, 2\).*\(3, 3\)"),
        (1, torch.zeros(2, 3), r"conics must have shape \(3, 3\).*\(2, 3\)"),
        (2, torch.zeros(4), r"weights must have shape \(3,\).*\(4,\)"),
        (2, torch.zeros(3, 0), r"weights must have shape"),
    ],
)
def test_wrong_shapes_are_named(which, wrong, rule):
    tensors = list(scene())
    tensors[which] = wrong
    with pytest.raises(ValueError, match=rule):
        splat(*tensors, (4, 4))


@pytest.mark.misuse
def test_wrong_opacities_and_image_shapes_are_named():
    with pytest.raises(ValueError, match="opacities must have shape"):
        splat(*scene(), (4, 4), opacities=torch.ones(2))
    with pytest.raises(ValueError, match="shape must be"):
        splat(*scene(), (0, 4))


def test_a_wrong_dtype_is_named():
    with pytest.raises(TypeError, match=r"float32.*torch\.float64"):
        splat(*scene(dtype=torch.float64), (4, 4))
    means, conics, weights = scene()
    with pytest.raises(TypeError, match="weights must have the dtype of means_px"):
        splat(means, conics, weights.double(), (4, 4))
