"""The Dask engine on two real processes, run by the toy method."""

import os
import signal
import threading
import time

import pytest

pytest.importorskip("distributed")

from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from tests.training.shared_toy import SharedToy
from tests.training.test_local import N_BLOCKS, PER_BLOCK, models, run, same
from tests.training.toy import ToyJob, noisy_images

from napari_emgauss.errors import BlocksFailedError, ConfigError, DiskSpaceError, WorkersLostError
from napari_emgauss.io.jobs import BlockState, JobWatch, Request, is_asked, read_entries
from napari_emgauss.io.store import JobFolder, JobMemory
from napari_emgauss.training import Control, Finished, FinishReason, Improved, Notice, Progress, RunConfig
from napari_emgauss.training.engines import dask
from napari_emgauss.training.engines.clusters import local_cluster
from napari_emgauss.training.engines.dask import DaskEngine, failure_message

QUICK = RunConfig(checkpoint_every_s=0.05)


@pytest.fixture(scope="module")
def undisturbed():
    return models(run())


def toy(**settings):
    return SharedToy(noisy_images(), **settings)


def share(cluster, job, folder, control=None, emit=lambda event: None):
    store = job.store(folder)
    DaskEngine(cluster, QUICK).run(job, store, control or Control(), emit)
    return store


def log(folder, what):
    return [entry for entry, _ in read_entries(folder) if entry.what == what]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_workers_come_to_the_same_models_as_one_process(cluster, undisturbed, tmp_path):
    events = []
    store = share(cluster, toy(), tmp_path, emit=events.append)
    assert same(models(store), undisturbed)
    assert [type(event) for event in events].count(Finished) == 1
    assert (events[-1].reason, events[-1].iteration) == (FinishReason.COMPLETED, N_BLOCKS * PER_BLOCK)
    assert sorted(event.block for event in events if isinstance(event, Improved)) == [0, 1, 2]
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].iteration == progress[-1].n_iterations
    assert sorted(entry.block for entry in log(tmp_path, "done")) == [0, 1, 2]
    assert {entry.worker for entry in log(tmp_path, "begun")}.isdisjoint({f"{os.uname().nodename}:{os.getpid()}"})
    status = JobWatch(tmp_path).look()
    assert status.count(BlockState.DONE) == 3
    assert status.seconds_left == 0
    assert not list(tmp_path.glob("block-*/claim"))


def test_a_block_that_fails_is_named_and_the_others_are_trained(cluster, undisturbed, tmp_path):
    mishaps = tmp_path / "mishaps"
    mishaps.mkdir()
    (mishaps / "1").touch()
    job, events = toy(mishaps=str(mishaps)), []
    with pytest.raises(BlocksFailedError, match=r"1 of 3 blocks failed.*block 2: column 1 is torn"):
        share(cluster, job, tmp_path / "job", emit=events.append)
    assert [event.reason for event in events if isinstance(event, Finished)] == [FinishReason.FAILED]
    status = JobWatch(tmp_path / "job").look()
    assert [state.value for state in status.states] == ["done", "failed", "done"]
    assert [(failure.block, failure.message) for failure in status.failures] == [(1, "column 1 is torn")]
    (mishaps / "1").unlink()
    store = share(cluster, job, tmp_path / "job")
    assert same(models(store), undisturbed)
    assert len(log(tmp_path / "job", "done")) == 3
    assert not JobWatch(tmp_path / "job").look().failures


def test_a_full_disk_ends_the_run_before_all_blocks_are_trained_in_vain(cluster, undisturbed, tmp_path):
    mishaps = tmp_path / "mishaps"
    mishaps.mkdir()
    (mishaps / "full").touch()
    job, events = toy(mishaps=str(mishaps), column_px=2), []
    with pytest.raises(DiskSpaceError, match="the disk is full"):
        share(cluster, job, tmp_path / "job", emit=events.append)
    assert [event.reason for event in events if isinstance(event, Finished)] == [FinishReason.FAILED]
    assert len(log(tmp_path / "job", "begun")) < job.n_blocks
    assert not JobWatch(tmp_path / "job").look().failures
    (mishaps / "full").unlink()
    assert all(share(cluster, job, tmp_path / "job").is_done(block) for block in range(job.n_blocks))


def test_a_stop_keeps_blocks_as_they_are_and_the_next_run_goes_on(cluster, undisturbed, tmp_path):
    control, events, job = Control(), [], toy(step_s=0.03)
    thread = threading.Thread(target=share, args=(cluster, job, tmp_path, control, events.append))
    thread.start()
    wait_for(lambda: any(tmp_path.glob("block-*/state")))
    control.stop()
    thread.join(30)
    assert events[-1].reason is FinishReason.STOPPED
    assert is_asked(tmp_path, Request.STOP)
    kept = [JobFolder(tmp_path, "toy").load_state(block) for block in range(N_BLOCKS)]
    assert any(state is not None and 0 < state[1]["iteration"] < PER_BLOCK for state in kept)
    assert not log(tmp_path, "done")
    assert same(models(share(cluster, toy(), tmp_path)), undisturbed)


def test_a_block_that_another_process_has_claimed_is_waited_for(cluster, undisturbed, tmp_path):
    job = toy()
    store = job.store(tmp_path)
    finished = run(JobMemory())
    with store.claimed(0) as own:
        assert own
        thread = threading.Thread(target=share, args=(cluster, job, tmp_path))
        thread.start()
        wait_for(lambda: len(log(tmp_path, "done")) == 2)
        store.save_done(0, *finished.load_done(0))
    thread.join(30)
    assert not thread.is_alive()
    assert sorted(entry.block for entry in log(tmp_path, "begun")) == [1, 2]
    assert same(models(store), undisturbed)


def test_only_jobs_that_others_can_open_are_shared(cluster, tmp_path):
    with pytest.raises(ConfigError, match="--checkpoint"):
        DaskEngine(cluster).run(toy(), JobMemory(), Control(), print)
    with pytest.raises(ConfigError, match="other processes"):
        DaskEngine(cluster).run(ToyJob(noisy_images()), JobFolder(tmp_path, "toy"), Control(), print)


def test_a_worker_that_is_killed_in_the_middle_of_a_block_changes_nothing(cluster, undisturbed, tmp_path):
    thread = threading.Thread(target=share, args=(cluster, toy(step_s=0.03), tmp_path))
    thread.start()
    wait_for(lambda: any(tmp_path.glob("block-*/state")))
    block = int(next(tmp_path.glob("block-*/state")).parent.name[-1])
    worker = next(entry.worker for entry in log(tmp_path, "begun") if entry.block == block)
    os.kill(int(worker.split(":")[1]), signal.SIGKILL)
    thread.join(60)
    assert len([entry for entry in log(tmp_path, "begun") if entry.block == block]) == 2
    assert same(models(JobFolder(tmp_path, "toy")), undisturbed)


def blocked(client):
    """Signals that the workers do not hear."""
    return client.run(signal.pthread_sigmask, signal.SIG_BLOCK, []).values()


def test_without_workers_a_stop_ends_at_once_and_processes_of_this_machine_are_started_anew(
    undisturbed, tmp_path, monkeypatch
):
    with local_cluster(1) as client:
        assert all(map({signal.SIGINT, signal.SIGHUP}.issubset, blocked(client))), "they hear Ctrl-C"
        client.retire_workers(list(client.scheduler_info()["workers"]))
        wait_for(lambda: not client.scheduler_info()["workers"])
        control = Control()
        threading.Timer(0.5, control.stop).start()
        share(client, toy(), tmp_path, control)
        assert JobWatch(tmp_path).look().count(BlockState.DONE) == 0
        monkeypatch.setattr(dask, "ALONE_S", 0.2)
        events = []
        store = share(client, toy(), tmp_path, emit=events.append)
        assert all(map({signal.SIGINT, signal.SIGHUP}.issubset, blocked(client))), "they hear Ctrl-C"
    assert same(models(store), undisturbed)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert any("anew" in event.message for event in events if isinstance(event, Notice))


def test_workers_of_this_machine_are_never_without_work_for_the_memory_of_their_libraries(cluster):
    def fraction(dask_worker):
        return dask_worker.memory_manager.memory_pause_fraction

    assert set(cluster.run(fraction).values()) == {False}


def test_workers_that_get_no_more_work_for_their_memory_are_told_of_once(cluster, undisturbed, tmp_path, monkeypatch):
    known = cluster.scheduler_info

    def paused(**options):
        workers = known(**options)["workers"]
        return {"workers": {address: {**worker, "status": "paused"} for address, worker in workers.items()}}

    monkeypatch.setattr(cluster, "scheduler_info", paused)
    monkeypatch.setattr(dask, "ALONE_S", 0.0)
    events = []
    assert same(models(share(cluster, toy(), tmp_path, emit=events.append)), undisturbed)
    assert sum("give workers more memory" in event.message for event in events if isinstance(event, Notice)) == 1


def test_a_scheduler_that_goes_while_it_is_asked_is_told_of_in_words(cluster, undisturbed, tmp_path, monkeypatch):
    def gone(*args, **kwargs):
        raise CommClosedError("in <TCP (closed) ConnectionPool.gather>")

    with monkeypatch.context() as patched:
        patched.setattr(cluster, "gather", gone)
        patched.setattr(cluster, "cancel", gone)
        with pytest.raises(WorkersLostError, match="start the scheduler and run again"):
            share(cluster, toy(), tmp_path)
    assert same(models(share(cluster, toy(), tmp_path)), undisturbed)


def test_workers_that_a_block_has_brought_down_are_told_of_in_words():
    death = KilledWorker("block-1", "tcp://node:1", allowed_failures=3)
    assert "most often for want of memory" in failure_message(death)
