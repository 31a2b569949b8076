"""An image of one section."""

import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main


def test_render_writes_images_of_the_asked_size(folder):
    import cv2
    import tifffile

    model = str(folder / "stack.emgauss")
    assert main(["render", model, "--z", "1.5", "-o", str(folder / "z.tif")]) == 0
    assert tifffile.imread(folder / "z.tif") == pytest.approx(eg.load(model).render(1.5))
    part = ["--region", "0", "20", "10", "30", "--zoom", "2"]
    assert main(["render", model, "--depth-nm", "72", *part, "-o", str(folder / "z.png")]) == 0
    assert cv2.imread(str(folder / "z.png"), cv2.IMREAD_GRAYSCALE).shape == (40, 40)


def test_render_draws_the_uncertainty(folder, capsys):
    import tifffile

    model = str(folder / "stack.emgauss")
    target = folder / "error.tif"
    assert main(["render", model, "--z", "1.5", "--uncertainty", "-o", str(target)]) == 0
    assert tifffile.imread(target) == pytest.approx(eg.load(model).uncertainty(1.5))
    assert "expected error" in capsys.readouterr().out
