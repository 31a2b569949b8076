"""A check of this machine."""

import pytest
import torch

from napari_emgauss.cli import main


def test_doctor_finds_nothing_missing_here(capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for subject in ("Python", "torch", "gsplat", "threads", "memory", "kernels", "napari"):
        assert subject in text


def test_a_report_is_of_the_test_of_the_gpu(capsys, tmp_path):
    assert main(["doctor", "--report", str(tmp_path / "report.txt")]) != 0
    assert "--gpu" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU, whose test takes a minute")
def test_without_a_gpu_its_test_fails_and_says_why(capsys, tmp_path):
    report = tmp_path / "report.txt"
    assert main(["doctor", "--gpu", "--report", str(report)]) == 1
    assert "GPU" in capsys.readouterr().out
    assert "CUDA build of torch" in report.read_text(encoding="utf-8")
