"""Scores as a table, in files and not at all after Ctrl-C."""

import json
import os
import signal

import numpy as np
import pytest

from napari_emgauss.cli import main
from napari_emgauss.training import BlockTrainer


def test_evaluate_prints_the_table_and_writes_it(folder, capsys):
    arguments = ["evaluate", str(folder / "iso.tif"), "--methods", "linear", "emgauss:fast", "--set", "newton_steps=1"]
    assert main([*arguments, "--output-dir", str(folder / "scores")]) == 0
    text = capsys.readouterr().out
    assert "emgauss" in text
    assert "PSNR" in text
    names = {path.name for path in (folder / "scores").iterdir()}
    assert names == {"metrics.txt", "metrics.csv", "metrics.json", "comparison.png"}


def interrupt_at_step(monkeypatch, n_step):
    """Send Ctrl-C during an iteration."""
    step, made = BlockTrainer.step, []

    def patched(self):
        made.append(1)
        if len(made) == n_step:
            os.kill(os.getpid(), signal.SIGINT)
        step(self)

    monkeypatch.setattr(BlockTrainer, "step", patched)


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_during_evaluate_scores_nothing(folder, monkeypatch, capsys):
    def leave(code):
        raise KeyboardInterrupt  # the test's own process must not end

    monkeypatch.setattr("os._exit", leave)
    interrupt_at_step(monkeypatch, 5)
    assert main(["evaluate", str(folder / "iso.tif"), "--methods", "linear", "emgauss:fast"]) == 130
    shown = capsys.readouterr()
    assert "Best plain" not in shown.out
    assert "Interrupted" in shown.err


def test_methods_are_scored_on_slices_of_a_volume(tmp_path, capsys):
    from napari_emgauss.io.stacks import NiftiVolume
    from napari_emgauss.phantoms import brain_phantom

    truth, mask = brain_phantom((24, 28, 24))
    NiftiVolume(truth.values, truth.affine).write(tmp_path / "brain.nii.gz")
    NiftiVolume(mask.astype(np.float32), truth.affine).write(tmp_path / "mask.nii.gz")
    command = ["evaluate-slices", str(tmp_path / "brain.nii.gz"), "--mask", str(tmp_path / "mask.nii.gz")]
    options = ["--thickness-mm", "2", "--methods", "mean", "scattered", "--output-json", str(tmp_path / "a.json")]
    assert main([*command, *options]) == 0
    assert "3 stacks simulated from 24 × 28 × 24 voxels" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "a.json").read_text())["methods"]) == 2
    NiftiVolume(np.ones((3, 4, 5), np.float32), truth.affine).write(tmp_path / "mask.nii.gz", overwrite=True)
    assert main([*command, *options]) == 1
    assert "Resample it" in capsys.readouterr().err
