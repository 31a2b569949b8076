"""A demonstration that names what it leaves."""

import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main


@pytest.mark.slow
def test_the_demo_leaves_what_it_names(tmp_path, capsys):
    assert main(["demo", "--output", str(tmp_path / "d")]) == 0
    text = capsys.readouterr().out
    for name in ("sections.ome.tif", "model.emgauss", "isotropic.ome.tif", "metrics.csv", "comparison.png"):
        assert (tmp_path / "d" / name).stat().st_size > 0
        assert name in text
    assert eg.read(tmp_path / "d" / "isotropic.ome.tif").shape == (61, 128, 128)
