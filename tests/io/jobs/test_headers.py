"""What the files of a job say of themselves: no block is taken for another, nor for one of another job."""

import os

import pytest
import torch

from napari_emgauss.errors import FileFormatError, OutOfMemoryError
from napari_emgauss.io.jobs.headers import MOST_BYTES, explained
from napari_emgauss.io.store import INPUT, JobFolder


@pytest.fixture
def store(tmp_path):
    store = JobFolder(tmp_path / "job", "x")
    store.save_record(INPUT, {"sections": ["a"]})
    store.save_record("spacing", {"px": 3}, {"w": torch.zeros(2)})
    for block in range(2):
        store.save_state(block, {"a": torch.full((2,), float(block))}, {})
    store.save_done(1, {"a": torch.ones(2)}, {})
    store.save_done(2, {"a": torch.ones(2)}, {})
    return store


@pytest.mark.parametrize(
    ("source", "target", "use"),
    [
        ("block-00001/done", "block-00002/done", lambda store: store.is_done(2)),
        ("block-00001/done", "block-00002/done", lambda store: store.load_done(2)),
        ("block-00000/state", "block-00000/done", lambda store: store.is_done(0)),
        ("block-00001/done", "block-00003/state", lambda store: store.load_state(3)),
        ("record/stack.json", "record/spacing.json", lambda store: store.load_record("spacing")),
        ("block-00001/done", "record/spacing.safetensors", lambda store: store.load_record("spacing")),
    ],
)
def test_a_file_in_the_place_of_another_is_refused_with_where_it_belongs(store, source, target, use):
    (store.folder / target).parent.mkdir(exist_ok=True)
    (store.folder / source).replace(store.folder / target)
    with pytest.raises(FileFormatError, match=f"{target} holds what belongs in {source}"):
        use(store)


def test_a_block_of_a_job_whose_input_differs_in_what_the_fingerprint_does_not_hold_is_refused(store, tmp_path):
    other = JobFolder(tmp_path / "other", "x")
    other.save_record(INPUT, {"sections": ["b"]})
    other.save_done(1, {"a": torch.zeros(2)}, {})
    (other.folder / "block-00001" / "done").replace(store.folder / "block-00001" / "done")
    for use in (store.is_done, JobFolder(store.folder, "x").load_done):
        with pytest.raises(FileFormatError, match="block-00001/done belongs to another stack"):
            use(1)


def test_a_record_that_is_implausibly_large_is_not_read(store):
    path = store.folder / "record" / "spacing.json"
    os.truncate(path, MOST_BYTES + 1)
    with pytest.raises(FileFormatError, match=r"spacing\.json is not a usable checkpoint \(it is larger"):
        store.load_record("spacing")


@pytest.mark.parametrize(
    ("error", "told", "words"),
    [
        (PermissionError(13, "Permission denied"), PermissionError, "done may not be read"),
        (MemoryError("os error 12"), OutOfMemoryError, "done takes more memory than there is"),
        (OSError(5, "Input/output error"), FileFormatError, "done is not a usable checkpoint .*Delete the folder"),
    ],
)
def test_what_goes_wrong_with_a_file_is_said_with_its_name(tmp_path, error, told, words):
    with pytest.raises(told, match=words), explained(tmp_path / "block-00001" / "done", tmp_path):
        raise error
