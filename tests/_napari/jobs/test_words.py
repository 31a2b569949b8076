"""A job in words."""

import os
import socket

import pytest

from napari_emgauss._napari.jobs.words import describe, describe_block, where
from napari_emgauss.io.jobs import BlockState, Failure, JobStatus, LogEntry, Request

W, R, D, F = BlockState.WAITING, BlockState.RUNNING, BlockState.DONE, BlockState.FAILED
HERE = f"{socket.gethostname()}:{os.getpid()}"


def status(*states, runner=None, asked=(), left=None):
    failures = tuple(Failure(block=i, message="torn") for i, state in enumerate(states) if state is F)
    rate = None if left is None else 2.5e6
    return JobStatus(
        states=states,
        failures=failures,
        pixels_per_s=rate,
        seconds_left=left,
        runner=runner,
        asked=frozenset(asked),
    )


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (status(runner=HERE), f"Running on this computer (process {os.getpid()}). The sections are checked"),
        (
            status(D, R, W, runner="node:7", left=90.0),
            "node (process 7): 1 of 3 blocks done, about 1 min 30 s left.",
        ),
        (status(D, R), "Running: 1 of 2 blocks done."),
        (status(D, D, runner=""), "Running. All blocks are trained; the model is being written."),
        (status(D, R, runner="", asked=[Request.PAUSE]), "Paused, 1 of 2 blocks done."),
        (status(D, R, runner="", asked=[Request.PAUSE, Request.STOP]), "Stopping: blocks in training are kept"),
        (
            status(D, W),
            "Nobody works on it. 1 of 2 blocks done and kept. 'Resume' goes on. The last run ended with: ",
        ),
        (status(), "Nobody works on it. What was learned is kept. 'Resume' goes on."),
        (status(D, F), "Ended: 1 of 2 blocks done. 1 block failed. 'Retry failed' tries them again."),
        (status(D, D), "Done: all 2 blocks. The folder has no model yet"),
    ],
    ids=range(10),  # the sentence has the number of a process in it: another one in each of the test's processes
)
def test_every_state_of_a_job_is_told_in_a_sentence(of, said):
    assert said in describe(of, error="no room", has_model=False)


def entry(what, **more):
    return LogEntry(what=what, at=100.0, worker="node:7", block=2, **more)


@pytest.mark.parametrize(
    ("state", "latest", "said"),
    [
        (W, None, "Block 3: to do."),
        (R, entry("begun"), "Block 3: running, begun 20 s ago by node:7."),
        (D, entry("done", seconds=12.0), "Block 3: done 20 s ago by node:7, after 12 s of training."),
        (W, entry("stopped"), "Block 3: to do. Stopped, and kept as it was, 20 s ago by node:7."),
        (W, entry("begun"), "Block 3: to do. Begun 20 s ago by node:7, who is gone; another goes on from its last "),
        (F, entry("failed"), "Block 3: failed 20 s ago by node:7. No room. Make some."),
    ],
)
def test_what_is_known_of_a_block_is_told_in_a_line(state, latest, said):
    message = "no room. Make some." if state is F else ""
    assert describe_block(2, state, latest, message, now=120.0).startswith(said)


def test_a_run_that_says_nothing_of_itself_is_nowhere():
    assert where(None) == where("") == ""
