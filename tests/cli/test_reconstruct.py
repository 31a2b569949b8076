"""A model beside its stack, and words that say what was done."""

import errno
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.cli.reconstruct import default_output
from napari_emgauss.methods.emgauss.study import examine


def test_reconstruct_puts_the_model_beside_the_stack(folder, capsys, quick):
    assert eg.load(folder / "stack.emgauss").shape == (5, 48, 40)
    out = folder / "other.emgauss"
    assert main(["reconstruct", str(folder / "stack.tif"), "-o", str(out), "--hold-out", "2", *quick]) == 0
    text = capsys.readouterr().out
    assert "5 sections of 48 × 40, 48 × 8 × 8 nm, 6× anisotropic → 25 × 48 × 40" in text
    assert "held-out" in text
    assert eg.load(out).config.sections.hold_out == (2,)


def test_reconstruct_says_which_sections_it_left_out(folder, stack, capsys, quick):
    data = np.array(stack.data)
    data[2] = 128
    eg.write(eg.Volume(data, stack.voxel_size_nm), folder / "damaged.tif")
    assert main(["reconstruct", str(folder / "damaged.tif"), *quick]) == 0
    assert "Section 2 (blank) was left out as damaged" in capsys.readouterr().out
    arguments = ["reconstruct", str(folder / "damaged.tif"), "--overwrite", *quick, "leave_out_damaged=false"]
    assert main(arguments) == 0
    assert "left out" not in capsys.readouterr().out


def test_reconstruct_can_export_at_once(folder, quick):
    arguments = ["reconstruct", str(folder / "stack.tif"), "-o", str(folder / "e.emgauss"), *quick]
    assert main([*arguments, "--export", str(folder / "e.ome.tif")]) == 0
    assert eg.read(folder / "e.ome.tif").shape == (25, 48, 40)


def test_existing_outputs_are_refused_before_any_work(folder, capsys, monkeypatch, quick):
    monkeypatch.setattr("napari_emgauss.io.read", lambda *a, **k: pytest.fail("the stack was read"))
    assert main(["reconstruct", str(folder / "stack.tif"), *quick]) == 1
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(("pays", "offered"), [(False, True), (True, False)])
def test_a_reconstruction_that_does_not_pay_is_told_with_the_better_one(
    folder, capsys, monkeypatch, pays, offered, quick
):
    from napari_emgauss.evaluation import HeldOut

    monkeypatch.setattr(HeldOut, "pays", property(lambda self: pays))
    stack, model = str(folder / "stack.tif"), str(folder / "judged.emgauss")
    assert main(["reconstruct", stack, "-o", model, "--overwrite", "--hold-out", "2", *quick]) == 0
    text = capsys.readouterr().out
    assert "on your one held-out section: " in text
    assert ("napari-emgauss interpolate" in text) == offered


def test_the_better_one_that_is_offered_can_be_typed_as_it_stands(folder, capsys, monkeypatch, quick):
    from napari_emgauss.evaluation import HeldOut

    monkeypatch.setattr(HeldOut, "pays", property(lambda self: False))
    (folder / "two words").mkdir()
    stack = folder / "two words" / "stack.tif"
    stack.write_bytes((folder / "stack.tif").read_bytes())
    settings = ["--voxel-size-nm", "50", "8", "8", "--leave-out", "1", "--hold-out", "3"]
    assert main(["reconstruct", str(stack), *settings, *quick]) == 0
    (offer,) = (line for line in capsys.readouterr().out.splitlines() if "napari-emgauss interpolate" in line)
    command = shlex.split(offer.partition("napari-emgauss ")[2])
    assert main(command) == 0
    assert eg.read(command[2]).voxel_size_nm == pytest.approx((8, 8, 8))
    assert command[command.index("--leave-out") + 1 :] == ["1"]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("a.v2.tif", "a.v2.emgauss"),
        ("a.1.ome.tif", "a.1.emgauss"),
        ("a.ome.zarr", "a.emgauss"),
        ("folder", "folder.emgauss"),
    ],
)
def test_models_are_named_after_their_stack(name, model, tmp_path):
    assert default_output(tmp_path / name) == tmp_path / model


def test_the_model_of_a_stack_behind_a_url_is_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_output(Path("https://host/a/stack.ome.zarr")) == tmp_path / "stack.emgauss"


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_stops_and_keeps_the_model_and_a_checkpoint_continues(folder):
    code = "import sys; from napari_emgauss.cli import main; sys.exit(main(sys.argv[1:]))"
    fast = ["--preset", "fast", "--set", "adapt_spacing=false"]
    output, checkpoint = folder / "stopped.emgauss", folder / "checkpoint"
    arguments = ["reconstruct", str(folder / "stack.tif"), "-o", str(output), "--checkpoint", str(checkpoint)]
    command = [sys.executable, "-u", "-c", code, *arguments, *fast, "joint=20000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "joint" in line:
                break
        process.send_signal(signal.SIGINT)
        text = process.stdout.read()
        assert process.wait(60) == 130
    assert "stopped early, kept" in text
    assert eg.load(output).record["blocks_trained"] == "0 of 1"
    assert list(checkpoint.iterdir())


def stopped_at_once(monkeypatch, after):
    """Stop the training after so many steps."""
    from napari_emgauss.training import BlockTrainer

    step, made = BlockTrainer.step, []

    def counted(self):
        step(self)
        made.append(1)
        if len(made) == after:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(BlockTrainer, "step", counted)


def test_a_stopped_training_never_replaces_a_finished_model(folder, capsys, monkeypatch, quick):
    finished = (folder / "stack.emgauss").read_bytes()
    stopped_at_once(monkeypatch, 2)
    assert (
        main(["reconstruct", str(folder / "stack.tif"), "--overwrite", *quick, "joint=50", "adapt_spacing=false"])
        == 130
    )
    assert (folder / "stack.emgauss").read_bytes() == finished
    text = capsys.readouterr().out
    assert f"Gaussians in {folder / 'stack.stopped.emgauss'}" in text
    assert "was left as it was" in text
    assert eg.load(folder / "stack.stopped.emgauss").record["blocks_trained"] == "0 of 1"


def test_a_training_stopped_before_it_learned_anything_writes_no_model(folder, capsys, monkeypatch, quick):
    monkeypatch.setattr(
        "napari_emgauss.methods.emgauss.train.examine",
        lambda setup, watch, store: signal.raise_signal(signal.SIGTERM) or examine(setup, watch, store),
    )
    output = folder / "nothing.emgauss"
    assert main(["reconstruct", str(folder / "stack.tif"), "-o", str(output), *quick]) == 130
    assert "before anything was learned: no model was written" in capsys.readouterr().out
    assert not output.exists()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (["-o", "{}"], "is a folder"),
        (["-o", "{}/missing/model.emgauss"], "does not exist. Create it first"),
        (["-o", "{}/stack.tif"], "is the input"),
        (["-o", "{}/new.emgauss", "--export", "{}/missing/iso.tif"], "does not exist. Create it first"),
        (["-o", "{}/new.emgauss", "--export", "{}/stack.tif"], "is the input"),
        (["-o", "{}/new.tif", "--export", "{}/new.tif"], "two outputs"),
        (["-o", "/proc/model.emgauss"], "cannot be written to"),
    ],
)
def test_outputs_are_tried_before_any_work(folder, capsys, monkeypatch, quick, output, message):
    monkeypatch.setattr("napari_emgauss.io.read", lambda *a, **k: pytest.fail("the stack was read"))
    outputs = [word.format(folder) for word in output]
    assert main(["reconstruct", str(folder / "stack.tif"), *outputs, "--overwrite", *quick]) == 1
    assert message in capsys.readouterr().err


def test_a_model_that_cannot_be_saved_is_kept_with_the_checkpoints(folder, capsys, monkeypatch, quick):
    save, target = eg.Reconstruction.save, folder / "full.emgauss"

    def full(self, path):
        if path == target:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return save(self, path)

    monkeypatch.setattr(eg.Reconstruction, "save", full)
    checkpoint = folder / "kept"
    arguments = ["reconstruct", str(folder / "stack.tif"), "-o", str(target), "--checkpoint", str(checkpoint), *quick]
    assert main(arguments) == 1
    assert "No space left" in capsys.readouterr().out
    assert eg.load(checkpoint / "full.emgauss").shape == (5, 48, 40)
