"""Claims of blocks and of whole jobs: a locked file says who works on a block, and a process that dies claims nothing.

The lock is the operating system's. Where a shared disk knows no locks between machines, two may train the same block:
both come to the same bytes, and each file is replaced whole, so that nothing but their time is lost.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_emgauss.io.atomic import is_locked, locked_file

CLAIM = "claim"
"""Name of the file in a block's folder."""
LOCK = "lock"
"""Name of the file in a job's folder, which is locked by the process that began it, or goes on with it."""
MOST_CHARACTERS = 200


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Claim the block of a folder, if nobody works on it; yields whether it is ours."""
    with locked_file(folder / CLAIM, about=f"{worker_name()}\n") as own:
        yield own


def is_claimed(folder: Path) -> bool:
    """Whether somebody works on the block of a folder."""
    return is_locked(folder / CLAIM)


def runner_of(job: Path) -> str | None:
    """Return machine and process of the run in a job's folder, '' where it says none; None if there is no run."""
    path = job / LOCK
    if not is_locked(path):
        return None
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(MOST_CHARACTERS).strip()
    except OSError:  # locked as a whole (Windows), or going away
        return ""


def worker_name() -> str:
    """Return the machine and process that this is, as the log and claims name it."""
    return f"{socket.gethostname()}:{os.getpid()}"
