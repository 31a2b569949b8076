"""Requests to everybody who works on a job, wherever they are: a file in its folder asks to stop, or to pause."""

from __future__ import annotations

from enum import Enum
from pathlib import Path


class Request(Enum):
    """What is asked of those who work on a job."""

    STOP = "stop"
    PAUSE = "pause"


def ask(job: Path, request: Request) -> None:
    """Ask; those who work on the job see it within seconds.

    Raises
    ------
    OSError
        The folder cannot be written to.
    """
    job.mkdir(parents=True, exist_ok=True)
    try:
        (job / request.value).touch()
    except OSError as error:
        raise type(error)(
            f"{job} cannot be written to ({error.strerror}), where a {request.value} is asked for. Ask who may "
            "write there."
        ) from error


def withdraw(job: Path, *requests: Request) -> None:
    """Ask it no longer; nothing at all where none is named."""
    for request in requests or tuple(Request):
        (job / request.value).unlink(missing_ok=True)


def is_asked(job: Path, request: Request) -> bool:
    """Whether it is asked for."""
    return (job / request.value).exists()
