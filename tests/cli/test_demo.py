"""A demonstration that names what it leaves."""

from functools import partial

import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.phantoms import phantom


@pytest.mark.slow
def test_the_demo_leaves_what_it_names(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("napari_emgauss.phantoms.phantom", partial(phantom, (31, 64, 64)))
    assert main(["demo", "--output", str(tmp_path / "d")]) == 0
    text = capsys.readouterr().out
    for name in ("sections.ome.tif", "model.emgauss", "isotropic.ome.tif", "metrics.csv", "comparison.png"):
        assert (tmp_path / "d" / name).stat().st_size > 0
        assert name in text
    assert eg.read(tmp_path / "d" / "isotropic.ome.tif").shape == (31, 64, 64)
