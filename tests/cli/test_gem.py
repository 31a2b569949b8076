"""A map from particles on the command line, and words that say what was done."""

import signal

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.forward.simulation import simulate_particles
from napari_emgauss.io.particles import read_particles, write_particles
from napari_emgauss.io.particles.density_map import read_map
from napari_emgauss.particles import CtfParameters
from napari_emgauss.phantoms import phantom_molecule

MOLECULE = phantom_molecule(200, radius_angstrom=40, width_angstrom=6.0)
SETTINGS = ["--set", "n_gaussians=200", "shape_iterations=16", "likelihood_iterations=4", "amplitudes=positive"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """``p.star`` with its images."""
    folder = tmp_path_factory.mktemp("gem")
    rng = np.random.default_rng(0)
    particles = simulate_particles(
        lambda rotations: MOLECULE.project(rotations, 20, 6.0),
        box_px=20,
        pixel_size_angstrom=6.0,
        rotations=Rotation.random(60, rng=0).as_matrix(),
        shifts_angstrom=rng.uniform(-5, 5, (60, 2)),
        parameters=None,
        snr=0.5,
        rng=rng,
    )
    write_particles(type(particles)(**{**vars(particles), "ctf": flat(60)}), folder / "p.star")
    return folder


def flat(n):
    """CTFs that are almost 1 everywhere."""
    return CtfParameters(
        defocus_u_angstrom=np.zeros(n),
        defocus_v_angstrom=np.zeros(n),
        defocus_angle_deg=np.zeros(n),
        voltage_kv=np.full(n, 300.0),
        cs_mm=np.zeros(n),
        amplitude_contrast=np.ones(n),
        phase_shift_deg=np.zeros(n),
        b_factor=np.zeros(n),
    )


def test_a_map_is_written_with_all_that_goes_with_it(folder, capsys):
    out = folder / "map.mrc"
    also = ["--half-maps", "--model", "m.emgauss", "--gaussians", "g.csv", "--figure", "fsc.png"]
    also += ["--local-resolution", "local.mrc"]
    also = [str(folder / word) if "." in word else word for word in also]
    assert main(["gem", str(folder / "p.star"), "-o", str(out), *also, *SETTINGS]) == 0
    text = capsys.readouterr().out
    assert "60 particles of 20 × 20 px, 6 Å per pixel" in text
    assert "400 Gaussians, a map of 20³ voxels" in text
    assert "resolution in Å" in text
    found, truth = read_map(out), MOLECULE.map(20, 6.0)
    assert np.corrcoef(found.values.ravel(), truth.ravel())[0, 1] > 0.85
    assert found.pixel_size_angstrom == pytest.approx(6.0)
    halves = [read_map(folder / f"map.half{number}.mrc").values for number in (1, 2)]
    assert np.allclose(0.5 * (halves[0] + halves[1]), found.values, atol=1e-4)
    local = read_map(folder / "local.mrc").values
    assert 12 <= local[10, 10, 10] < local[0, 0, 0] <= 120
    assert (folder / "g.csv").read_text().count("\n") == 401
    assert (folder / "fsc.png").stat().st_size > 1000
    exported = folder / "again.mrc"
    assert main(["export", str(folder / "m.emgauss"), str(exported)]) == 0
    assert np.array_equal(read_map(exported).values, found.values)


def test_what_is_wrong_is_said_in_a_line_before_any_work(folder, capsys):
    (folder / "there.mrc").touch()
    star = str(folder / "p.star")
    for arguments, said in (
        ([star, "-o", str(folder / "map.tif")], ".mrc"),
        ([star, "-o", str(folder / "map.rec")], "Name it 'map.mrc'"),
        ([star, "-o", str(folder / "n.mrc"), "--model", str(folder / "n.pt")], "Name it n.emgauss"),
        ([star, "-o", str(folder / "n.mrc"), "--gaussians", str(folder / "n.txt")], "Name it 'n.csv'"),
        ([star, "-o", str(folder / "n.mrc"), "--local-resolution", str(folder / "n.txt")], "Name it 'n.mrc'"),
        ([star, "-o", str(folder / "n.mrc"), "--figure", str(folder / "n.doc")], "Name it 'n.png'"),
        ([star, "-o", str(folder / "there.mrc")], "--overwrite"),
        ([star, "-o", str(folder / "n.mrc"), "--symmetry", "icosahedral"], "symmetry must be"),
        ([star, "-o", str(folder / "n.mrc"), "--set", "symmetry=C2"], "--symmetry"),
        ([str(folder / "p.mrcs"), "-o", str(folder / "n.mrc")], "poses (--poses) and ctf (--ctf)"),
        ([str(folder / "none.star"), "-o", str(folder / "n.mrc")], "does not exist"),
    ):
        assert main(["gem", *arguments]) == 1
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-o", "--gaussians"])
def test_images_that_a_table_names_are_never_replaced(folder, capsys, option, tmp_path):
    particles = read_particles(folder / "p.star")
    stack = tmp_path / {"-o": "images.mrc", "--gaussians": "images.csv"}[option]
    write_particles(particles, tmp_path / "p.star").with_suffix(".mrcs").rename(tmp_path / "images.mrc")
    table = tmp_path / "p.star"
    table.write_text(table.read_text().replace("p.mrcs", "images.mrc"))
    if option != "-o":
        stack.symlink_to(tmp_path / "images.mrc")
    before = (tmp_path / "images.mrc").read_bytes()
    outputs = [option, str(stack)] if option == "-o" else ["-o", str(tmp_path / "map.mrc"), option, str(stack)]
    assert main(["gem", str(table), *outputs, "--overwrite", *SETTINGS]) == 1
    assert "is the input; it is never replaced" in capsys.readouterr().err
    assert (tmp_path / "images.mrc").read_bytes() == before


def test_what_cannot_be_drawn_loses_nothing_else(folder, capsys, monkeypatch, tmp_path):
    def failing(self, path):
        raise OSError("the disk is full")

    monkeypatch.setattr("napari_emgauss.methods.gem.resolution.MapResolution.figure", failing)
    monkeypatch.setattr("napari_emgauss.methods.gem.reconstruction.GaussianMap.write_gaussians", failing_table)
    also = ["--model", "m.emgauss", "--gaussians", "g.csv", "--figure", "fsc.png"]
    also = [str(tmp_path / word) if "." in word else word for word in also]
    assert main(["gem", str(folder / "p.star"), "-o", str(tmp_path / "map.mrc"), *also, *SETTINGS]) == 1
    text = capsys.readouterr().out
    assert "fsc.png could not be written: the disk is full" in text
    assert "g.csv could not be written: no room" in text
    assert "resolution" in text
    assert {path.name for path in tmp_path.iterdir()} == {"map.mrc", "m.emgauss"}


def failing_table(self, path, *, overwrite):
    raise OSError("no room")


@pytest.mark.parametrize("asked", [["--model", "m.emgauss"], []])
def test_a_map_that_cannot_be_written_does_not_take_the_model_with_it(folder, capsys, monkeypatch, tmp_path, asked):
    def failing(self, path, *, overwrite):
        raise OSError("the disk is full")

    monkeypatch.setattr("napari_emgauss.io.particles.density_map.DensityMap.write", failing)
    monkeypatch.chdir(tmp_path)
    assert main(["gem", str(folder / "p.star"), "-o", str(tmp_path / "map.mrc"), *asked, *SETTINGS]) == 1
    told = capsys.readouterr()
    (kept,) = tmp_path.iterdir()
    assert "the disk is full" in told.err
    assert f"What was learned is in {kept.name if asked else kept}" in told.out
    assert kept.name == ("m.emgauss" if asked else "map.kept.emgauss")
    assert eg.load(kept).n_gaussians > 0


def test_a_stopped_run_replaces_nothing_that_is_finished(folder, capsys, monkeypatch, tmp_path):
    from napari_emgauss.cli.display import TrainingDisplay

    def interrupting(self, event):
        if getattr(event, "stage", "") == "shape":
            signal.raise_signal(signal.SIGINT)

    names = ["map.mrc", "map.half1.mrc", "map.half2.mrc", "m.emgauss"]
    for name in names:
        (tmp_path / name).write_text("finished")
    monkeypatch.setattr("napari_emgauss.training.engines.local.PROGRESS_EVERY_S", 0)
    monkeypatch.setattr(TrainingDisplay, "__call__", interrupting)
    command = ["gem", str(folder / "p.star"), "-o", str(tmp_path / "map.mrc"), "--half-maps", *SETTINGS]
    command += ["--model", str(tmp_path / "m.emgauss"), "--figure", str(tmp_path / "f.png"), "--overwrite"]
    assert main(command) == 130
    assert "NAME.stopped" in capsys.readouterr().out
    assert all((tmp_path / name).read_text() == "finished" for name in names)
    new = {path.name for path in tmp_path.iterdir()} - set(names)
    stopped = ["map.stopped.mrc", "map.half1.stopped.mrc", "map.half2.stopped.mrc", "m.stopped.emgauss"]
    assert new == {*stopped, "f.stopped.png"}


def test_an_interrupted_command_keeps_what_was_learned_and_goes_on_from_its_folder(folder, capsys, monkeypatch):
    from napari_emgauss.cli.display import TrainingDisplay

    plain = TrainingDisplay.__call__

    def interrupting(self, event):
        plain(self, event)
        if getattr(event, "stage", "") == "shape":
            signal.raise_signal(signal.SIGINT)

    command = ["gem", str(folder / "p.star"), "-o", str(folder / "i.mrc"), *SETTINGS]
    command += ["--checkpoint", str(folder / "job")]
    with monkeypatch.context() as patched:
        patched.setattr("napari_emgauss.training.engines.local.PROGRESS_EVERY_S", 0)
        patched.setattr(TrainingDisplay, "__call__", interrupting)
        assert main(command) == 130
    assert "stopped early, kept" in capsys.readouterr().out
    assert main([*command, "--overwrite"]) == 0
    assert "Continuing from the checkpoints" in capsys.readouterr().out


def test_particles_that_are_written_are_those_that_are_read(folder):
    found = read_particles(folder / "p.star")
    again = read_particles(write_particles(found, folder / "again.star"))
    assert np.allclose(again.rotations, found.rotations, atol=1e-6)
    assert np.allclose(again.shifts_angstrom, found.shifts_angstrom, atol=1e-5)
    assert np.allclose(again.read([3]), found.read([3]), atol=1e-4)
