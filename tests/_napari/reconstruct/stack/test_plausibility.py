import pytest

from napari_emgauss._napari.reconstruct.stack.plausibility import doubt


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((0.05, 0.004, 0.004), "Then it is 50 × 4 × 4 nm."),
        ((4, 4, 50), "Pixels of 4 × 50 nm?"),
        ((2, 0.5, 0.5), "Then it is 2000 × 500 × 500 nm."),
        ((4, 50, 50), "Were the fields mixed up?"),
        ((50_000, 4, 4), "really 12500 times as far apart"),
    ],
)
def test_what_cannot_be_meant_is_questioned(size, words):
    assert words in doubt(size)


@pytest.mark.parametrize(
    "size", [(50, 4, 4), (8, 8, 8), (45, 16, 16), (30, 2, 2), (4, 3.9, 4), (1.2, 1.2, 1.2), (4, 2, 2)]
)
def test_what_microscopes_deliver_is_not(size):
    assert doubt(size) == ""
