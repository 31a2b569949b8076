"""What a job keeps is in files of its folder: nothing is read or written over links, and no pipe is waited for."""

import os
import sys

import pytest
import torch

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.jobs import JobDescription, JobProcess, JobWatch
from napari_emgauss.io.store import JobFolder, jobs_in

OF = JobDescription(method="toy", fingerprint="x", settings={}, source=None, spans=(((0, 4),), ((0, 8),), ((0, 8),)))
FILES = [
    "job.json", "log.jsonl", "lock", "stop", "output.log", "record/about.json",
    "block-00000/claim", "block-00000/state", "block-00000/failed", "block-00001/done",
]  # fmt: skip
CASES = [
    *[(kind, place) for place in [*FILES, "record", "block-00000"] for kind in ("link", "link to nothing", "pipe")],
    *[("folder", place) for place in FILES if not place.startswith("record")],
]


@pytest.fixture
def job(tmp_path):
    """A job with everything that it can hold."""
    folder = tmp_path / "jobs" / "a"
    store = JobFolder(folder, "x")
    store.describe(OF)
    store.save_record("about", {}, {"w": torch.zeros(2)})
    store.save_state(0, {"a": torch.zeros(2)}, {})
    store.save_done(1, {"a": torch.zeros(2)}, {})
    store.save_failure(0, "torn")
    store.log("opened")
    for name in ("lock", "stop", "output.log", "block-00000/claim", "block-00002"):
        (folder / name).touch()
    return folder


def put(kind, path, elsewhere):
    if path.is_dir():
        path.rename(elsewhere / "moved")
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(elsewhere / ("precious" if kind == "link" else "nothing"))


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are of Unix")
@pytest.mark.parametrize(("kind", "place"), CASES)
def test_a_link_or_a_pipe_in_the_place_of_a_file_is_refused_and_leads_nowhere(job, tmp_path, kind, place):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("mine")
    put(kind, job / place, elsewhere)
    before = sorted(elsewhere.iterdir())
    for begin in (lambda: JobFolder(job, "x"), lambda: JobWatch(job), lambda: JobProcess(["--help"], job)):
        with pytest.raises(FileFormatError, match=f"{place} is a link, or no file"):
            begin()
    assert list(jobs_in(job.parent)) == []
    assert sorted(elsewhere.iterdir()) == before
    assert (elsewhere / "precious").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="links are of Unix")
def test_other_things_in_the_folder_may_be_links_and_so_may_the_folder_itself(job, tmp_path):
    (tmp_path / "link").symlink_to(job)
    (job / "stack.ome.zarr").symlink_to(tmp_path)
    (job / "block-face").symlink_to(tmp_path)
    (job / "block-00000" / "@eaDir").mkdir()
    assert JobFolder(tmp_path / "link", "x").is_done(1)
    assert [found for found, _, _ in jobs_in(job.parent)] == [job]


def test_a_folder_that_may_not_be_looked_into_is_named(job, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("napari_emgauss.io.jobs.own_files.os.scandir", refuse)
    with pytest.raises(PermissionError, match=r"jobs/a cannot be looked into .*allowed to read"):
        JobFolder(job, "x")
