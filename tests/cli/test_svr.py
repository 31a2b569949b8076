"""One volume from stacks, in the world, and words that say what was done."""

import errno
import os
import signal

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.cli.svr import stopped_beside
from napari_emgauss.io.stacks import read_world_volume, write_stack
from napari_emgauss.io.stacks.world import write_mask
from napari_emgauss.phantoms import Acquisition, brain_phantom, simulate_stacks

NAMES = ("axial", "coronal", "sagittal")


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    """``axial.nii.gz`` and others with their masks; the truth they show, and the options that name them."""
    folder = tmp_path_factory.mktemp("svr")
    truth, mask = brain_phantom((24, 28, 24))
    acquisition = Acquisition(thickness_mm=2.0, apart_mm=2.5, motion_deg=1.0, motion_mm=0.5, corrupted=0.0)
    for stack in simulate_stacks(truth, mask, acquisition).stacks:
        write_stack(stack, folder / f"{stack.name}.nii.gz")
        write_mask(stack, folder / f"{stack.name}_mask.nii.gz")
    files = [str(folder / f"{name}.nii.gz") for name in NAMES]
    masks = ["--masks", *(str(folder / f"{name}_mask.nii.gz") for name in NAMES)]
    return folder, truth, mask, [*files, *masks, "--set", "solve_steps=4"]


def test_a_volume_is_written_where_the_object_is_in_the_world(brain, capsys):
    folder, truth, mask, arguments = brain
    out, model = folder / "brain.nii.gz", folder / "brain.emgauss"
    command = ["svr", *arguments, "--thickness-mm", "2", "--voxel-size-mm", "1.25", "-o", str(out)]
    assert main([*command, "--model", str(model)]) == 0
    text = capsys.readouterr().out
    assert "axial.nii.gz: 11 slices" in text
    assert "2 mm thick" in text
    assert "voxels of 1.25 mm in" in text
    assert "they moved by" in text
    volume = read_world_volume(out)
    points = truth.grid.positions()[mask]
    assert np.corrcoef(volume.sample(points), truth.values[mask])[0, 1] > 0.6
    assert np.allclose(volume.spacing_mm, 1.25)
    assert eg.load(model).volume().values.shape == volume.values.shape
    finer = folder / "finer.nii"
    assert main(["export", str(model), str(finer), "--voxel-size-mm", "0.9"]) == 0
    assert np.allclose(read_world_volume(finer).spacing_mm, 0.9)
    for command, said in (
        (["export", str(model), str(folder / "a.tif")], ".nii, .nii.gz"),
        (["export", str(model), str(folder / "a.nii"), "--voxel-size-nm", "1", "1", "1"], "--voxel-size-mm"),
        (["render", str(model), "-o", str(folder / "a.png"), "--z", "1"], "Export its volume"),
    ):
        assert main(command) == 1
        assert said in capsys.readouterr().err


def test_a_disk_that_is_full_does_not_take_what_was_learned(brain, tmp_path, capsys, monkeypatch):
    _, _, _, arguments = brain
    full, save = tmp_path / "full", eg.SliceReconstruction.save
    full.mkdir()

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("napari_emgauss.io.stacks.write_world_volume", refuse)
    monkeypatch.setattr(
        eg.SliceReconstruction, "save", lambda own, path: refuse() if full in path.parents else save(own, path)
    )
    command = ["svr", *arguments, "--thickness-mm", "2", "-o", str(full / "brain.nii.gz")]
    assert main([*command, "--checkpoint", str(tmp_path / "kept")]) == 1
    told, kept = capsys.readouterr(), tmp_path / "kept" / "brain.kept.emgauss"
    assert "No space left" in told.err
    assert f"What was learned is in {kept}" in told.out
    assert np.isfinite(eg.load(kept).volume().values).all()


def test_outputs_are_tried_before_any_work(brain, capsys, monkeypatch):
    folder, _, _, arguments = brain
    monkeypatch.setattr("napari_emgauss.io.stacks.read_stack", lambda *a, **k: pytest.fail("a stack was read"))
    (folder / "there.nii").touch()
    for output, said in (
        (folder / "there.nii", "--overwrite"),
        (folder / "axial.nii.gz", "is the input"),
        (folder / "brain.tif", ".nii, .nii.gz"),
        (folder / "none" / "brain.nii", "does not exist"),
    ):
        assert main(["svr", *arguments, "-o", str(output)]) == 1
        assert said in capsys.readouterr().err
    model = ["--model", str(folder / "brain.pt")]
    assert main(["svr", *arguments, "-o", str(folder / "new.nii"), *model]) == 1
    assert "saved as .emgauss" in capsys.readouterr().err


def test_masks_in_another_order_than_their_stacks_are_refused(brain, capsys):
    folder, _, _, arguments = brain
    swapped = [*arguments[:4], arguments[5], arguments[4], arguments[6]]
    assert main(["svr", *swapped, "-o", str(folder / "swapped.nii")]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "coronal_mask.nii.gz, which is on the grid of coronal.nii.gz" in error
    assert "in the order of their stacks" in error


def test_a_thickness_that_is_not_known_is_said(brain, capsys):
    folder, _, _, arguments = brain
    assert main(["svr", *arguments, "motion=false", "-o", str(folder / "guessed.nii")]) == 0
    assert "taken to be their spacing, 2.5 mm" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option", [["--thickness-mm", "2", "3"], ["--thickness-mm", "-1"], ["--set", "voxel_size_mm=2"]]
)
def test_options_that_do_not_fit_are_refused(brain, capsys, option):
    folder, _, _, arguments = brain
    assert main(["svr", *arguments[:7], *option, "-o", str(folder / "refused.nii")]) == 1
    error = capsys.readouterr().err
    assert any(rule in error for rule in ("one for each of the 3, got 2", "must be positive", "--voxel-size-mm"))
    assert not (folder / "refused.nii").exists()


def test_a_stop_keeps_what_was_learned_and_a_checkpoint_continues(brain, capsys, monkeypatch):
    folder, _, _, arguments = brain
    out, kept = folder / "stopped.nii.gz", folder / "kept"
    command = ["svr", *arguments, "--thickness-mm", "2", "-o", str(out), "--checkpoint", str(kept)]
    from napari_emgauss.cli.display import TrainingDisplay
    from napari_emgauss.training import Progress

    def interrupt(self, event):
        if isinstance(event, Progress) and event.iteration >= 2:
            signal.raise_signal(signal.SIGINT)
            monkeypatch.setattr(TrainingDisplay, "__call__", lambda self, event: None)

    monkeypatch.setattr(TrainingDisplay, "__call__", interrupt)
    finished = folder / "finished.emgauss"
    finished.write_bytes(b"of an earlier training")
    assert main([*command, "--model", str(finished), "--overwrite"]) == 130
    said = capsys.readouterr().out
    assert "stopped early, kept" in said
    assert "was left as it was" in said
    assert finished.read_bytes() == b"of an earlier training"
    assert (folder / "finished.stopped.emgauss").exists()
    assert read_world_volume(out).values.max() > 0
    assert main([*command, "--overwrite"]) == 0
    assert "Continuing from the checkpoints" in capsys.readouterr().out


def test_a_stopped_volume_lies_beside_a_finished_one(tmp_path):
    assert stopped_beside(tmp_path / "a.nii.gz") == tmp_path / "a.stopped.nii.gz"
    assert stopped_beside(tmp_path / "b.nii") == tmp_path / "b.stopped.nii"
