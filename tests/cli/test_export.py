"""The isotropic volume of a model as a file."""

import os
import signal

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.io.container import Container


@pytest.mark.parametrize("name", ["iso.ome.tif", "iso.ome.zarr", "iso.mrc"])
def test_export_writes_every_format(folder, name, capsys):
    target = folder / f"out-{name}"
    assert main(["export", str(folder / "stack.emgauss"), str(target)]) == 0
    assert "25 × 48 × 40 voxels of 8 × 8 × 8 nm" in capsys.readouterr().out
    assert eg.read(target).shape == (25, 48, 40)
    assert main(["export", str(folder / "stack.emgauss"), str(target)]) == 1


def test_even_sharpness_changes_observed_sections_alone(folder, tmp_path):
    plain, even = (tmp_path / f"{name}.ome.tif" for name in ("plain", "even"))
    assert main(["export", str(folder / "stack.emgauss"), str(plain)]) == 0
    assert main(["export", str(folder / "stack.emgauss"), str(even), "--even"]) == 0
    differ = (np.asarray(eg.read(plain).data[:]) != np.asarray(eg.read(even).data[:])).any(axis=(1, 2))
    assert np.flatnonzero(differ).tolist() == [6, 12, 18]


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_during_export_leaves_nothing(folder, monkeypatch):
    target, drawn_on = folder / "cancelled.ome.tif", []

    def slow(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        drawn_on.append("a plane may take minutes")

    monkeypatch.setattr(eg.Reconstruction, "render", slow)
    before = set(folder.iterdir())
    assert main(["export", str(folder / "stack.emgauss"), str(target)]) == 130
    assert set(folder.iterdir()) == before
    assert drawn_on == []


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
@pytest.mark.parametrize(("more", "said"), [([], "nothing half-written"), (["--shards"], "The same command goes on")])
def test_ctrl_c_while_a_block_is_read_is_no_damage_of_the_model(folder, monkeypatch, capsys, tmp_path, more, said):
    render, tensor, drawing = eg.Reconstruction.render, Container.tensor, []

    def draw(self, *args, **kwargs):
        drawing.append(True)
        return render(self, *args, **kwargs)

    def interrupted(self, name):
        if drawing:
            os.kill(os.getpid(), signal.SIGINT)
        return tensor(self, name)

    monkeypatch.setattr(eg.Reconstruction, "render", draw)
    monkeypatch.setattr(Container, "tensor", interrupted)
    assert main(["export", str(folder / "stack.emgauss"), str(tmp_path / "a.ome.zarr"), *more]) == 130
    assert said in capsys.readouterr().err
    assert drawing


def test_shards_show_what_planes_do_and_go_on_after_ctrl_c(folder, monkeypatch, capsys):
    render, plain, target = eg.Reconstruction.render, folder / "plain.ome.zarr", folder / "shards.ome.zarr"
    assert main(["export", str(folder / "stack.emgauss"), str(plain)]) == 0

    def interrupted(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return render(self, *args, **kwargs)

    command = ["export", str(folder / "stack.emgauss"), str(target), "--shards"]
    if os.name != "nt":
        with monkeypatch.context() as patched:
            patched.setattr(eg.Reconstruction, "render", interrupted)
            assert main(command) == 130
        assert "The same command goes on" in capsys.readouterr().err
        assert not target.exists()
    assert main(command) == 0
    assert eg.read(target).shape == (25, 48, 40)
    assert (eg.read(target).data[:] == eg.read(plain).data[:]).all()
    assert main(["export", str(folder / "stack.emgauss"), str(folder / "a.mrc"), "--shards"]) == 1
    assert "--shards and --workers write .ome.zarr" in capsys.readouterr().err
