"""A check of this machine."""

from napari_emgauss.cli import main


def test_doctor_finds_nothing_missing_here(capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for subject in ("Python", "torch", "gsplat", "threads", "memory", "kernels", "napari"):
        assert subject in text
