"""A process of its own for a job."""

import os
import sys

import pytest

from napari_emgauss.io.jobs import JobProcess, last_error, process_in
from napari_emgauss.io.jobs.process import OUTPUT


def test_a_process_has_a_session_of_its_own_and_leaves_its_error_in_the_folder(tmp_path):
    job = tmp_path / "stack.job"
    process = JobProcess(["job", str(tmp_path / "missing")], job)
    assert process_in(job) is process
    assert process_in(tmp_path) is None
    if sys.platform != "win32":
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert process.wait(120) == 1
    assert process_in(job) is None
    assert last_error(job) == f"{tmp_path / 'missing'} is no job folder: it has no job.json. Name the folder of a job."
    process.stop()  # of what has ended


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("blocks done 3/4\nError: no room\nMake some.\n", "no room Make some."),
        ("Error: first\nError: last\n", "last"),
        ("Traceback (most recent call last):\n  File x\nKeyError: 3\n", "KeyError: 3 (more of it is in "),
        ("done after 3 s: ValueError: is no error of ours\n", ""),
        ("", ""),
    ],
)
def test_an_error_is_told_apart_from_what_else_was_printed(printed, said, tmp_path):
    (tmp_path / OUTPUT).write_text(printed)
    assert last_error(tmp_path)[: len(said) or None] == said
