"""Blocks as tasks, in this process and several threads of it."""

import errno
import threading

import pytest
from tests.training.shared_toy import SharedToy, open_toy
from tests.training.test_local import models, run, same
from tests.training.toy import noisy_images

from napari_emgauss.errors import ConfigError, DiskSpaceError
from napari_emgauss.io import store as store_module
from napari_emgauss.io.jobs import Request, ask, read_entries, withdraw
from napari_emgauss.training import BlockSpec, run_block
from napari_emgauss.training.engines import tasks
from napari_emgauss.training.engines.local import BlockEnd
from napari_emgauss.training.engines.tasks import FolderControl, open_job, work_on


def toy(folder, **settings):
    job = SharedToy(noisy_images(), **settings)
    return job.store(folder)


def spec(folder, block, opener=SharedToy.opener):
    return BlockSpec(opener=opener, folder=str(folder), block=block)


def log(folder, what):
    return sorted(entry.block for entry, _ in read_entries(folder) if entry.what == what)


def test_a_block_is_trained_once_and_the_folder_has_the_result(tmp_path):
    store = toy(tmp_path)
    ends = [run_block(spec(tmp_path, block)).end for block in (0, 1, 2, 1)]
    assert ends == [BlockEnd.DONE] * 4
    assert log(tmp_path, "begun") == log(tmp_path, "done") == [0, 1, 2]
    assert same(models(store), models(run()))


def test_a_block_that_is_claimed_is_left_alone(tmp_path):
    with toy(tmp_path).claimed(1):
        assert run_block(spec(tmp_path, 1)).end is BlockEnd.CLAIMED
    assert log(tmp_path, "begun") == []


def test_a_failure_is_told_and_kept(tmp_path):
    (tmp_path / "1").touch()
    store = toy(tmp_path / "job", mishaps=str(tmp_path))
    outcome = run_block(spec(tmp_path / "job", 1))
    assert (outcome.end, outcome.message) == (BlockEnd.FAILED, "column 1 is torn")
    assert [failure.message for failure in store.failures()] == ["column 1 is torn"]


def test_a_block_that_torch_finds_no_memory_for_says_what_to_do(tmp_path, monkeypatch):
    def full(*args):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 294912 bytes.")

    store = toy(tmp_path)
    monkeypatch.setattr(SharedToy, "build", full)
    assert run_block(spec(tmp_path, 1)).end is BlockEnd.FAILED
    assert "block 2 of 3" in store.failures()[0].message
    assert "smaller tiles" in store.failures()[0].message


def test_a_block_that_cannot_be_written_is_not_done(tmp_path, monkeypatch):
    store = toy(tmp_path)

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_replace", full)
        outcome = run_block(spec(tmp_path, 0))
        with pytest.raises(DiskSpaceError, match="goes on"):
            work_on(SharedToy.opener, tmp_path)
    assert outcome.end is BlockEnd.FAILED
    assert outcome.no_room
    assert "No space left" in outcome.message
    assert not store.failures(), "it is not the block's fault"
    assert not store.is_done(0)
    assert run_block(spec(tmp_path, 0)).end is BlockEnd.DONE


def test_any_number_of_workers_on_a_folder_do_nothing_twice(tmp_path):
    store = toy(tmp_path, column_px=4, step_s=0.001)
    threads = [threading.Thread(target=work_on, args=(SharedToy.opener, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert log(tmp_path, "begun") == log(tmp_path, "done") == list(range(6))
    assert all(store.is_done(block) for block in range(6))


def test_a_block_whose_worker_is_gone_meanwhile_is_asked_for_again(tmp_path, monkeypatch):
    claim, run = toy(tmp_path).claimed(1), tasks.run_block
    assert claim.__enter__()

    def run_and_end_the_other_worker(spec, config=None):
        outcome = run(spec, config)
        if outcome.end is BlockEnd.CLAIMED:
            claim.__exit__(None, None, None)
        return outcome

    monkeypatch.setattr(tasks, "run_block", run_and_end_the_other_worker)
    work_on(SharedToy.opener, tmp_path)
    assert log(tmp_path, "done") == [0, 1, 2]


def test_who_works_on_a_folder_stops_and_pauses_as_it_asks(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "LOOK_EVERY_S", 0)
    toy(tmp_path)
    control = FolderControl(tmp_path)
    ask(tmp_path, Request.PAUSE)
    assert control.paused
    withdraw(tmp_path)
    assert not control.paused
    ask(tmp_path, Request.STOP)
    assert control.held()
    assert run_block(spec(tmp_path, 0)).end is BlockEnd.STOPPED
    work_on(SharedToy.opener, tmp_path)
    assert log(tmp_path, "begun") == []


def test_a_job_is_opened_once_and_anew_where_it_is_another(tmp_path):
    toy(tmp_path)
    first = open_job(SharedToy.opener, tmp_path)
    assert open_job(SharedToy.opener, tmp_path) is first
    toy(tmp_path, step_s=1.0)
    assert open_job(SharedToy.opener, tmp_path).job.step_s == 1.0
    assert open_toy(tmp_path) is not first


@pytest.mark.parametrize("opener", ["tests.training.shared_toy", "tests.training.shared_toy:WIDTH_PX"])
def test_what_opens_no_job_is_refused(tmp_path, opener):
    toy(tmp_path)
    with pytest.raises(ConfigError, match="module:function"):
        run_block(spec(tmp_path, 0, opener))


def test_a_folder_that_is_not_reached_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="Every worker must see it under the same name"):
        run_block(spec(tmp_path / "missing", 0))
