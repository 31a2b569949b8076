"""The isotropic volume of a model as a file."""

import os
import signal

import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main


@pytest.mark.parametrize("name", ["iso.ome.tif", "iso.ome.zarr", "iso.mrc"])
def test_export_writes_every_format(folder, name, capsys):
    target = folder / f"out-{name}"
    assert main(["export", str(folder / "stack.emgauss"), str(target)]) == 0
    assert "25 × 48 × 40 voxels of 8 × 8 × 8 nm" in capsys.readouterr().out
    assert eg.read(target).shape == (25, 48, 40)
    assert main(["export", str(folder / "stack.emgauss"), str(target)]) == 1


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_during_export_leaves_nothing(folder, monkeypatch):
    render, target = eg.Reconstruction.render, folder / "cancelled.ome.tif"

    def slow(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return render(self, *args, **kwargs)

    monkeypatch.setattr(eg.Reconstruction, "render", slow)
    before = set(folder.iterdir())
    assert main(["export", str(folder / "stack.emgauss"), str(target)]) == 130
    assert set(folder.iterdir()) == before
