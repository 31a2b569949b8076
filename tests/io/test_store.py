import errno
import os

import pytest
import torch

from napari_emgauss.errors import DiskSpaceError, FileFormatError, FolderInUseError
from napari_emgauss.io.jobs import JobDescription
from napari_emgauss.io.jobs.headers import VERSION
from napari_emgauss.io.store import JobFolder, JobMemory


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return JobFolder(tmp_path / "c", "x") if request.param == "folder" else JobMemory()


def test_what_is_saved_is_loaded_until_it_is_cleared(store):
    assert not store.exists()
    assert store.load_record("study") is None
    store.save_record("study", {"spacing": 3})
    assert not store.exists()  # nothing that took time to learn
    store.save_state(0, {"a": torch.zeros(2)}, {"iteration": 3})
    store.save_done(1, {"a": torch.ones(2)}, {"offsets": [0, 2]})
    assert store.exists()
    assert store.load_state(1) is None
    assert store.load_state(0)[1] == {"iteration": 3}
    assert store.load_done(0) is None
    assert torch.equal(store.load_done(1)[0]["a"], torch.ones(2))
    assert [store.is_done(block) for block in (0, 1)] == [False, True]
    assert store.load_record("study") == ({}, {"spacing": 3})
    store.clear()
    assert not store.exists()
    assert store.load_record("study") is None


def test_a_finished_block_needs_no_checkpoint(store):
    store.save_state(0, {"a": torch.zeros(2)}, {})
    store.save_done(0, {"a": torch.ones(2)}, {})
    assert store.load_state(0) is None


def test_a_record_can_have_tensors(store):
    store.save_record("teacher", {"n": 1}, {"w": torch.arange(3.0)})
    tensors, values = store.load_record("teacher")
    assert values == {"n": 1}
    assert torch.equal(tensors["w"], torch.arange(3.0))


def test_the_folder_has_its_files_where_others_look_for_them_and_is_gone_once_cleared(tmp_path):
    store = JobFolder(tmp_path / "c", "x")
    store.save_record("sections", {"damaged": []})
    store.save_state(3, {"a": torch.zeros(2)}, {})
    store.save_done(4, {"a": torch.zeros(2)}, {})
    files = sorted(str(path.relative_to(tmp_path / "c")) for path in (tmp_path / "c").rglob("*") if path.is_file())
    assert files == ["block-00003/state", "block-00004/done", "record/sections.json"]
    store.clear()
    assert not (tmp_path / "c").exists()


def test_clearing_leaves_foreign_files(tmp_path):
    store = JobFolder(tmp_path, "x")
    store.save_done(0, {"a": torch.zeros(2)}, {})
    foreign = [tmp_path / name for name in ("notes.txt", "record/notes.txt", "block-face/scan.tif")]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    store.clear()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(foreign)
    assert not store.exists()


@pytest.mark.parametrize("name", ["current.safetensors", "block-00001.safetensors"])
def test_a_folder_of_an_earlier_version_is_left_alone(tmp_path, name):
    (tmp_path / name).write_bytes(b"hours of work")
    with pytest.raises(FileFormatError, match="earlier version"):
        JobFolder(tmp_path, "x")
    assert (tmp_path / name).read_bytes() == b"hours of work"


def test_a_block_in_memory_is_released_and_one_on_the_disk_stays(store):
    store.save_done(0, {"a": torch.ones(2)}, {})
    store.release(0)
    assert store.is_done(0) is store.durable


def test_another_fingerprint_is_refused(tmp_path):
    store = JobFolder(tmp_path, "x")
    store.save_done(0, {"a": torch.zeros(2)}, {})
    store.save_record("sections", {})
    with pytest.raises(FileFormatError, match="other settings"):
        JobFolder(tmp_path, "y").load_done(0)
    with pytest.raises(FileFormatError, match="other settings"):
        JobFolder(tmp_path, "y").is_done(0)
    with pytest.raises(FileFormatError, match="other settings"):
        JobFolder(tmp_path, "y").load_record("sections")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x02" + bytes(7) + b"{}"])
def test_foreign_files_in_the_folder_are_refused(content, tmp_path):
    for path in ("block-00000/state", "block-00000/done", "record/sections.json"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    store = JobFolder(tmp_path, "x")
    for load in (store.load_state, store.load_done):
        with pytest.raises(FileFormatError, match="not a usable checkpoint"):
            load(0)
    with pytest.raises(FileFormatError, match="not a usable checkpoint"):
        store.load_record("sections")


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    store = JobFolder(tmp_path, "x")
    store.save_done(0, {"a": torch.ones(2)}, {})

    fill_the_disk(monkeypatch)
    store.save_done(0, {"a": torch.zeros(2)}, {})
    assert os.listdir(tmp_path / "block-00000") == ["done"]
    assert torch.equal(JobFolder(tmp_path, "x").load_done(0)[0]["a"], torch.ones(2))


def fill_the_disk(monkeypatch):
    """Let every file end in the middle."""

    def fail(self, content):
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_bytes", fail)


def test_what_a_full_disk_does_not_take_is_kept_in_memory_and_told_once(tmp_path, monkeypatch):
    told = []
    store = JobFolder(tmp_path / "c", "x", told.append)
    store.save_done(1, {"a": torch.ones(1)}, {})
    with monkeypatch.context() as patch:
        fill_the_disk(patch)
        store.save_record("teacher", {"n": 1}, {"w": torch.ones(3)})
        store.save_state(0, {"a": torch.zeros(2)}, {"iteration": 3})
        store.save_state(0, {"a": torch.ones(2)}, {"iteration": 4})
        store.save_done(2, {"a": torch.full((1,), 2.0)}, {"n": 2})
    (message,) = told
    assert "No space left" in message
    assert str(tmp_path / "c") in message
    assert store.load_record("teacher")[1] == {"n": 1}
    assert store.load_state(0)[1] == {"iteration": 4}
    assert [store.is_done(block) for block in range(3)] == [False, True, True]
    assert store.load_done(2)[1] == {"n": 2}
    assert JobFolder(tmp_path / "c", "x").load_done(2) is None
    store.release(2)
    store.save_done(2, {"a": torch.zeros(1)}, {"n": 3})
    assert JobFolder(tmp_path / "c", "x").load_done(2)[1] == {"n": 3}


@pytest.mark.parametrize(
    "save",
    [
        lambda store: store.describe(JobDescription(method="a", fingerprint="x", settings={}, source=None)),
        lambda store: store.save_record("teacher", {"n": 1}),
        lambda store: store.save_done(0, {"a": torch.ones(1)}, {}),
    ],
    ids=["description", "record", "model"],
)
def test_what_other_processes_need_is_an_error_where_the_disk_is_full(tmp_path, monkeypatch, save):
    store = JobFolder(tmp_path, "x", keeps_unwritten=False)
    store.save_done(1, {"a": torch.ones(1)}, {})
    with monkeypatch.context() as patch:
        fill_the_disk(patch)
        with pytest.raises(DiskSpaceError, match=r"No space left.*What is done is kept"):
            save(store)
        store.save_state(0, {"a": torch.ones(1)}, {"iteration": 3})
    assert store.load_state(0)[1] == {"iteration": 3}
    assert store.is_done(1)
    save(store)


def test_a_checkpoint_once_written_wins_over_an_older_one_in_memory(tmp_path, monkeypatch):
    store = JobFolder(tmp_path / "c", "x", lambda message: None)
    with monkeypatch.context() as patch:
        fill_the_disk(patch)
        store.save_state(0, {"a": torch.zeros(2)}, {"iteration": 3})
    store.save_state(0, {"a": torch.zeros(2)}, {"iteration": 9})
    assert store.load_state(0)[1] == {"iteration": 9}
    store.save_done(0, {"a": torch.zeros(2)}, {})
    assert store.load_state(0) is None


def test_a_checkpoint_of_another_version_is_called_that(tmp_path):
    store = JobFolder(tmp_path, "x")
    store.save_record("sections", {})
    path = tmp_path / "record" / "sections.json"
    path.write_text(path.read_text().replace(f'"version": {VERSION}', '"version": 99'))
    with pytest.raises(FileFormatError, match=r"another version of the program \(format 99"):
        store.load_record("sections")


@pytest.mark.parametrize("path", ["block-00000/state", "block-00000/done", "record/n.json", "record/n.safetensors"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("flip", [1, 0x80, 0xFF])
def test_any_damage_to_a_checkpoint_is_told(tmp_path, path, share, flip):
    store = JobFolder(tmp_path, "x")
    store.save_record("n", {"values": [1, 2.5], "text": "abc"}, {"w": torch.arange(40.0)})
    store.save_done(0, {"b": torch.arange(30.0)}, {"n": 3})
    store.save_state(0, {"a": torch.arange(40.0)}, {"iteration": 3})
    damaged = bytearray((tmp_path / path).read_bytes())
    damaged[int(share * len(damaged))] ^= flip
    kept = store.load_record("n"), store.load_state(0), store.load_done(0)
    (tmp_path / path).write_bytes(damaged)
    try:
        found = store.load_record("n"), store.load_state(0), store.load_done(0)
    except FileFormatError as error:
        assert str(tmp_path) in str(error)  # noqa: PT017 - damage to a blank may be none
    else:
        assert repr(found) == repr(kept)


def test_no_two_trainings_work_in_one_folder(tmp_path):
    first, second = JobFolder(tmp_path / "c", "x"), JobFolder(tmp_path / "c", "x")
    with first.locked():
        with pytest.raises(FolderInUseError, match="another training is at work"), second.locked():
            pass
        assert (tmp_path / "c" / "lock").exists()
    with second.locked():
        pass
    assert not (tmp_path / "c" / "lock").exists()


def test_what_a_killed_process_left_is_cleared_with_the_rest(tmp_path):
    store = JobFolder(tmp_path / "c", "x")
    store.save_state(0, {"a": torch.zeros(2)}, {})
    (tmp_path / "c" / "block-00000" / ".state.0123456789ab.part").write_bytes(b"half")
    store.clear()
    assert not (tmp_path / "c").exists()
