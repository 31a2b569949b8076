"""What a job folder says besides its findings: what it is of, who works where, what went wrong, what happened."""

import json
import math
import os
import subprocess
import sys

import pytest

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.jobs import (
    BlockState,
    JobDescription,
    JobState,
    JobWatch,
    Request,
    ask,
    forget_failures,
    is_asked,
    read_description,
    read_entries,
    withdraw,
)
from napari_emgauss.io.jobs.claims import is_claimed, runner_of, worker_name
from napari_emgauss.io.jobs.description import NAME
from napari_emgauss.io.jobs.log import LOG, MOST_BYTES, append_entry
from napari_emgauss.io.store import JobFolder

OF = JobDescription(
    method="toy",
    fingerprint="x",
    settings={"a": 1},
    source={"path": "/data/stack.tif"},
    spans=(((0, 4), (3, 7)), ((0, 10),), ((0, 8), (6, 14))),
)


def described(folder, of=OF):
    store = JobFolder(folder, of.fingerprint)
    store.describe(of)
    return store


def test_a_description_comes_back_and_its_blocks_are_the_product_of_its_spans(tmp_path):
    described(tmp_path)
    found = read_description(tmp_path)
    assert found == OF
    assert found.n_blocks == 4
    assert found.boxes()[1] == ((0, 4), (0, 10), (6, 14))
    assert found.sizes() == [4 * 10 * 8] * 4
    assert read_description(tmp_path / "elsewhere") is None


def test_a_plan_is_kept_until_there_is_another(tmp_path):
    store = described(tmp_path)
    store.describe(JobDescription(method="toy", fingerprint="x", settings={}, source=None))
    assert store.description == OF


def test_the_folder_of_another_job_is_refused_and_left_as_it_is(tmp_path):
    described(tmp_path)
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(FileFormatError, match=r"another stack or other settings \(it is of /data/stack.tif\)"):
        described(tmp_path, JobDescription(method="toy", fingerprint="y", settings={}, source=None))
    assert (tmp_path / NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 99}, "another version of the program"),
        ({"spans": [[[4, 0]]]}, "impossible"),
        ({"spans": 3}, "not a usable checkpoint"),
        ({"spans": [[[0, float("inf")]]]}, "not a usable checkpoint"),
        ({"spans": [[[0, 1e308]]] * 3}, "impossible"),
        ({"spans": [[[0, 1]] * 2000] * 3}, "8000000000 blocks; at most"),
    ],
)
def test_a_description_of_another_version_or_damaged_is_refused_in_words(tmp_path, change, said):
    described(tmp_path)
    values = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps({**values, **change}))
    with pytest.raises(FileFormatError, match=said):
        read_description(tmp_path)


HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "ab")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="flock is of Unix")
def test_a_claim_keeps_others_out_and_ends_with_its_process(tmp_path):
    store, block = described(tmp_path), tmp_path / "block-00001"
    block.mkdir()
    append_entry(tmp_path, "begun", block=1)
    with subprocess.Popen([sys.executable, "-c", HOLD, block / "claim"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with store.claimed(1) as own, store.claimed(2) as other:
            assert (own, other) == (False, True)
        assert is_claimed(block)
        assert JobWatch(tmp_path).look().states[1] is BlockState.RUNNING
        process.kill()
    assert not is_claimed(block)
    assert JobWatch(tmp_path).look().states[1] is BlockState.WAITING
    with store.claimed(1) as own:
        assert own
        assert (block / "claim").read_text().endswith(f":{os.getpid()}\n")
    assert not list(tmp_path.glob("block-*/claim"))


def test_the_log_is_read_from_where_it_was_left_and_survives_damaged_lines(tmp_path):
    append_entry(tmp_path, "begun", block=3)
    entries = list(read_entries(tmp_path))
    with (tmp_path / LOG).open("ab") as file:
        file.write(b'{"what": \n[]\n{"what": "done", "at": 1, "block": 1e999}\n' + b"x" * 3 * MOST_BYTES + b"\n")
    append_entry(tmp_path, "failed", block=3, message="torn" * 1000)
    with (tmp_path / LOG).open("ab") as file:
        file.write(b'{"at": 1, "what": "do')
    ((later, _),) = read_entries(tmp_path, entries[-1][1])
    assert (entries[0][0].what, entries[0][0].block) == ("begun", 3)
    assert (later.what, later.message[:8], len(later.message)) == ("failed", "torntorn", 1000)


def test_the_state_of_a_job_follows_its_files_and_its_log(tmp_path):
    store = described(tmp_path)
    watch = JobWatch(tmp_path)
    assert set(watch.look().states) == {BlockState.WAITING}
    assert watch.look().seconds_left is None
    store.log("opened")
    store.save_done(0, {}, {})
    store.log("done", block=0)
    store.save_failure(2, "torn")
    store.log("failed", block=2, message="torn")
    for status in (watch.look(), JobWatch(tmp_path).look()):
        assert [s.value for s in status.states] == ["done", "waiting", "failed", "waiting"]
        assert [(f.block, f.message) for f in status.failures] == [(2, "torn")]
        assert status.pixels_per_s > 0
        assert status.seconds_left == pytest.approx(3 * 320 / status.pixels_per_s)
    assert [failure.block for failure in store.failures()] == [2]
    store.begin_anew()
    store.log("opened")
    assert watch.look().failures == JobWatch(tmp_path).look().failures == ()


def test_a_job_says_who_runs_it_and_what_is_asked_of_them(tmp_path):
    store = described(tmp_path)
    watch = JobWatch(tmp_path)
    assert (watch.look().state, watch.look().runner) == (JobState.INTERRUPTED, None)
    with store.locked():
        assert watch.look().runner == worker_name()
        assert watch.look().state is JobState.RUNNING
        ask(tmp_path, Request.PAUSE)
        assert watch.look().state is JobState.PAUSED
        ask(tmp_path, Request.STOP)
        assert watch.look().state is JobState.STOPPING
    assert watch.look().state is JobState.INTERRUPTED
    assert not (tmp_path / "lock").exists(), "looking makes no file"
    for block in range(OF.n_blocks):
        store.save_done(block, {}, {})
    assert JobWatch(tmp_path).look().state is JobState.DONE


def test_a_job_without_blocks_is_being_studied_and_its_log_is_read_once_there_are_some(tmp_path):
    store = described(tmp_path, JobDescription(method="toy", fingerprint="x", settings={}, source=None))
    watch = JobWatch(tmp_path)
    with store.locked():
        assert (watch.look().state, watch.look().states) == (JobState.STUDYING, ())
        store.log("begun", block=1)
        watch.look()
        store.describe(OF)
        with store.claimed(1):
            assert watch.look().states[1] is BlockState.RUNNING
    assert runner_of(tmp_path) is None


def test_what_happened_last_to_a_block_is_known_until_failures_are_forgotten(tmp_path):
    store = described(tmp_path)
    watch = JobWatch(tmp_path)
    store.save_failure(2, "torn")
    store.log("failed", block=2, message="torn")
    assert [f.message for f in watch.look().failures] == ["torn"]
    latest = watch.latest(2)
    assert (latest.what, latest.message, latest.worker) == ("failed", "torn", worker_name())
    assert watch.latest(1) is None
    forget_failures(tmp_path)
    assert watch.look().failures == ()
    assert watch.look().states[2] is BlockState.WAITING


def test_failures_that_no_program_wrote_are_no_more_than_unknown(tmp_path):
    store = described(tmp_path)
    for name, content in {"block-0x": "{}", "block-²": "{}", "block-9": "[" * 30000, "block-00002": "\udcff"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "failed").write_text(content, encoding="utf-8", errors="surrogateescape")
    found = {failure.block: failure.message for failure in store.failures()}
    assert found == dict.fromkeys((2, 9), "it is not known what went wrong")
    assert JobWatch(tmp_path).look().count(BlockState.FAILED) == 1


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -1e308, 1e308])
def test_a_log_with_an_impossible_time_leaves_the_state_as_it_is(tmp_path, at):
    described(tmp_path)
    lines = [{"what": "opened", "at": at}, {"what": "done", "at": at, "block": 0}]
    (tmp_path / LOG).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    left_s = JobWatch(tmp_path).look().seconds_left
    assert left_s is None or math.isfinite(left_s)


def test_what_is_no_job_is_said_to_be_none(tmp_path):
    with pytest.raises(FileFormatError, match="no job folder"):
        JobWatch(tmp_path)


def test_requests_are_there_until_they_are_withdrawn(tmp_path):
    ask(tmp_path, Request.STOP)
    ask(tmp_path, Request.PAUSE)
    withdraw(tmp_path, Request.PAUSE)
    assert is_asked(tmp_path, Request.STOP)
    assert not is_asked(tmp_path, Request.PAUSE)
    withdraw(tmp_path)
    assert not is_asked(tmp_path, Request.STOP)


def test_clearing_removes_everything_that_a_job_wrote(tmp_path):
    folder = tmp_path / "job"
    store = described(folder)
    store.log("opened")
    store.save_failure(1, "torn")
    store.save_record("found", {"n": 1})
    ask(folder, Request.STOP)
    store.clear()
    assert not folder.exists()


def test_of_a_log_that_is_implausibly_long_the_end_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_emgauss.io.jobs.log.MOST_BYTES_IN_ALL", 1000)
    for block in range(100):
        append_entry(tmp_path, "begun", block=block)
    blocks = [entry.block for entry, _ in read_entries(tmp_path)]
    assert blocks == list(range(blocks[0], 100))
    assert 5 < len(blocks) < 20


def test_where_a_stop_cannot_be_asked_for_is_said(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with pytest.raises(PermissionError, match=r"cannot be written to \(Permission denied\), where a stop is asked for"):
        ask(tmp_path, Request.STOP)
