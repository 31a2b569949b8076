import pytest

from napari_emgauss._napari.reconstruct.stack.plausibility import doubt


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((0.05, 0.004, 0.004), "Then it is 50 × 4 × 4 nm."),
        ((4, 4, 50), "4 × 4 × 50"),
        ((4, 50, 50), "Were the fields mixed up?"),
        ((50_000, 4, 4), "really 12500 times as far apart"),
    ],
)
def test_what_cannot_be_meant_is_questioned(size, words):
    assert (words in doubt(size)) == (size != (4, 4, 50))


@pytest.mark.parametrize("size", [(50, 4, 4), (8, 8, 8), (45, 16, 16), (30, 2, 2), (4, 3.9, 4)])
def test_what_microscopes_deliver_is_not(size):
    assert doubt(size) == ""
