"""``napari-emgauss job`` on a folder."""

import shutil
from pathlib import Path

from napari_emgauss.cli import main
from napari_emgauss.io.jobs import Request, is_asked
from napari_emgauss.io.store import JobFolder


def test_a_job_is_shown_worked_on_stopped_and_tried_again(undisturbed, tmp_path, capsys):
    job = Path(shutil.copytree(undisturbed / "job", tmp_path / "job"))
    done = job / "block-00002" / "done"
    before = done.read_bytes()
    done.unlink()
    JobFolder(job, "").save_failure(2, "torn", "node:7")
    capsys.readouterr()
    assert main(["job", str(job), "--stop"]) == 1
    said = capsys.readouterr().out
    assert "blocks done 3/4 · running 0 · failed 1" in said
    assert "Block 3 failed: torn" in said
    assert is_asked(job, Request.STOP)
    assert main(["job", str(job), "--work"]) == 1
    assert not done.exists()
    assert main(["job", str(job), "--retry", "--work"]) == 0
    assert done.read_bytes() == before
    assert "4 of 4 blocks are done" in capsys.readouterr().out


def test_a_folder_without_a_job_is_refused(tmp_path, capsys):
    assert main(["job", str(tmp_path)]) == 1
    assert "no job folder" in capsys.readouterr().err
