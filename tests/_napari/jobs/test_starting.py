"""What it takes to begin a job."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss._napari.jobs import starting
from napari_emgauss._napari.jobs.starting import JobStart, WantedJob, check_workers_installed, file_of, go_on
from napari_emgauss.errors import BackendUnavailableError, FileFormatError, FolderInUseError
from napari_emgauss.io.store import JobFolder


def wanted(volume, path):
    return WantedJob(name="cells", volume=volume, arguments={"preset": "fast"}, path=path)


def test_the_file_of_a_layer_is_used_only_where_it_holds_exactly_its_stack(stack, tmp_path):
    path = eg.write(stack, tmp_path / "stack.ome.zarr")
    source = file_of(wanted(stack, path))
    assert (source.path, source.voxel_size_nm) == (path, stack.voxel_size_nm)
    changed = np.array(stack.data)
    changed[-1] += 1
    moved = (stack.origin_nm[0], stack.origin_nm[1] + 8, stack.origin_nm[2])
    for other in (
        replace(stack, data=changed),
        replace(stack, data=changed[:, 8:]),
        replace(stack, data=changed.astype(np.float32)),
        replace(stack, origin_nm=moved),
    ):
        assert file_of(wanted(other, path)) is None
    (tmp_path / "notes.txt").write_text("no stack")
    for elsewhere in (None, tmp_path / "missing.tif", tmp_path / "notes.txt"):
        assert file_of(wanted(stack, elsewhere)) is None


def test_a_folder_is_suggested_beside_the_stack(stack):
    assert wanted(stack, Path("/data/brain.ome.tif")).suggested_folder(Path("/home")) == Path("/data/brain.job")
    assert wanted(stack, None).suggested_folder(Path("/home")) == Path("/home/cells.job")


def test_what_cannot_be_begun_is_said_before_anything_is_written(stack, job, tmp_path):
    (tmp_path / "file").touch()
    for folder, error, said in (
        (job, FileExistsError, "holds a job already. Open it above"),
        (tmp_path / "file", NotADirectoryError, "a job is a folder"),
    ):
        with pytest.raises(error, match=said):
            JobStart(wanted(stack, None), None, folder, workers=1).check()
    with JobFolder(job, "").locked(), pytest.raises(FolderInUseError, match="one run at a time"):
        go_on(job, workers=1)
    with pytest.raises(FileFormatError, match="holds no training"):
        go_on(tmp_path, workers=1)


def test_a_cancelled_start_leaves_no_stack_and_begins_nothing(stack, tmp_path):
    start = JobStart(wanted(stack, None), None, tmp_path / "a.job", workers=1)
    start.cancel()
    with pytest.raises(eg.io.WriteCancelled):
        start.run(lambda: False)
    assert list((tmp_path / "a.job").iterdir()) == []


def test_without_dask_it_is_said_what_to_install(monkeypatch):
    check_workers_installed()
    monkeypatch.setattr(starting, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'napari-emgauss\[cluster\]'"):
        check_workers_installed()
