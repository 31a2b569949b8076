"""A process of its own for a job, which outlives the program that began it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from napari_emgauss.io.jobs.own_files import OUTPUT, check_own_files
from napari_emgauss.io.jobs.requests import Request, ask

MOST_BYTES = 64 * 2**10
_ERROR = re.compile("^Error: ", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last)"
_DETACHED = sum(getattr(subprocess, name, 0) for name in ("DETACHED_PROCESS", "CREATE_NEW_PROCESS_GROUP"))
"""Of Windows, which has no sessions."""
_STARTED: list[JobProcess] = []
"""Those that were begun here: forgotten ones would stay in the system's table of processes."""


class JobProcess:
    """The command line at work in a job's folder, in a session of its own: closed terminals do not reach it.

    Parameters
    ----------
    arguments
        Of ``napari-emgauss``.
    job
        The job's folder; made if it is not there.

    Raises
    ------
    FileFormatError
        What it printed would go elsewhere, over a link.
    OSError
        The folder cannot be written.
    """

    def __init__(self, arguments: Sequence[str], job: Path) -> None:
        check_own_files(job)
        job.mkdir(parents=True, exist_ok=True)
        self.job = job
        with (job / OUTPUT).open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "napari_emgauss", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=job,
                # Modules are not to be taken from the folder, which may come from anywhere.
                env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
                creationflags=_DETACHED,
            )
        _STARTED[:] = [each for each in _STARTED if each.is_running] + [self]

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask it to keep what was learned and to end; a second time, to end at once."""
        if sys.platform == "win32":
            ask(self.job, Request.STOP)
        elif self.is_running:
            self._process.terminate()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end and return its exit code."""
        return self._process.wait(timeout_s)


def process_in(job: Path) -> JobProcess | None:
    """Return the process that was begun here and works on a job; None where there is none."""
    return next((each for each in _STARTED if each.job == job and each.is_running), None)


def last_error(job: Path) -> str:
    """Return the error that the latest process of a job ended with, as it printed it; '' where it tells of none."""
    try:
        with (job / OUTPUT).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    told = list(_ERROR.finditer(text))
    if told:
        return " ".join(text[told[-1].end() :].split())
    lines = [line for line in text.splitlines() if line.strip()]
    return f"{lines[-1].strip()} (more of it is in {job / OUTPUT})" if _TRACEBACK in text else ""
