"""Scores as a table, in files and not at all after Ctrl-C."""

import os
import signal

import pytest

from napari_emgauss.cli import main
from napari_emgauss.training import BlockTrainer


def test_evaluate_prints_the_table_and_writes_it(folder, capsys):
    arguments = ["evaluate", str(folder / "iso.tif"), "--methods", "linear", "emgauss:fast", "--set", "joint=2"]
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
