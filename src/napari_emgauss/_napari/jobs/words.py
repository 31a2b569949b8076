"""A job in words."""

from __future__ import annotations

import socket
import time

from napari_emgauss.io.jobs import BlockState, JobState, JobStatus, LogEntry
from napari_emgauss.units import about_duration, format_duration

NO_MODEL = (
    "The folder has no model yet; 'Resume' writes it, if the command that began the job has not done so elsewhere."
)
_ENDS = {
    "begun": "begun",
    "failed": "failed",
    "stopped": "stopped, and kept as it was,",
}
_STATES = {
    BlockState.WAITING: "to do",
    BlockState.RUNNING: "running",
    BlockState.DONE: "done",
    BlockState.FAILED: "failed",
}


def describe(status: JobStatus, *, error: str = "", has_model: bool = True) -> str:
    """Return how a job is going on.

    Parameters
    ----------
    status
        Of the job.
    error
        What the last run here ended with, if it did.
    has_model
        Whether its model is in the folder.
    """
    done, n = status.count(BlockState.DONE), len(status.states)
    n_failed = status.count(BlockState.FAILED)
    so_far = f"{done} of {n} blocks done"
    failed = f"{n_failed} block{'s' * (n_failed > 1)} failed. " if n_failed else ""
    at = where(status.runner)
    match status.state:
        case JobState.STUDYING:
            return f"Running{at}. The sections are checked and studied; then there are blocks."
        case JobState.RUNNING if done + n_failed == n:
            return f"Running{at}. All blocks are trained; the model is being written."
        case JobState.RUNNING:
            left = f", {about_duration(status.seconds_left)} left" if status.seconds_left else ""
            return f"Running{at}: {so_far}{left}. {failed}".strip()
        case JobState.PAUSED:
            held = " Workers hold within seconds and keep their memory; 'Stop and keep' gives it back."
            return f"Paused{f', {so_far}' if n else ''}.{held}"
        case JobState.STOPPING:
            return "Stopping: blocks in training are kept as they are, to go on from there."
        case JobState.DONE:
            no_model = "" if has_model else f" {NO_MODEL}"
            return f"Done: all {n} blocks.{no_model}"
    if n_failed and done + n_failed == n:
        return f"Ended: {so_far}. {failed}'Retry failed' tries them again."
    ended = f" The last run ended with: {error}" if error and not n_failed else ""
    kept = f"{so_far} and kept" if n else "What was learned is kept"
    return f"Nobody works on it. {kept}. {failed}'Resume' goes on.{ended}"


def describe_block(
    block: int, state: BlockState, latest: LogEntry | None, message: str = "", *, now: float | None = None
) -> str:
    """Return what is known of a block.

    Parameters
    ----------
    block
        Its number, from 0.
    state
        By now.
    latest
        What happened last to it, if anything did.
    message
        What went wrong, for a failure.
    now
        Seconds since 1970; the present by default.
    """
    text = f"Block {block + 1}: {_STATES[state]}"
    if latest is None:
        return f"{text}. {message}".strip()
    ago = format_duration(max((time.time() if now is None else now) - latest.at, 0.0))
    by = f" by {latest.worker}" if latest.worker else ""
    if state is BlockState.RUNNING:
        return f"{text}, begun {ago} ago{by}."
    if state is BlockState.WAITING:
        gone = ", who is gone; another goes on from its last checkpoint" if latest.what == "begun" else ""
        return f"{text}. {_ENDS.get(latest.what, latest.what).capitalize()} {ago} ago{by}{gone}."
    took = f", after {format_duration(latest.seconds)} of training" if latest.seconds else ""
    return f"{text} {ago} ago{by}{took}. {message[:1].upper()}{message[1:]}".strip()


def where(runner: str | None) -> str:
    """Return ' on this computer (process 7)', or the name of another one; '' where it is not known."""
    machine, _, process = (runner or "").rpartition(":")
    if not machine:
        return ""
    return f" on {'this computer' if machine == socket.gethostname() else machine} (process {process})"
