"""Claims of blocks: a locked file says who works on a block, and a process that dies claims nothing.

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


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Claim the block of a folder, if nobody works on it; yields whether it is ours."""
    with locked_file(folder / CLAIM, about=f"{worker_name()}\n") as own:
        yield own


def is_claimed(folder: Path) -> bool:
    """Whether somebody works on the block of a folder."""
    return is_locked(folder / CLAIM)


def worker_name() -> str:
    """Return the machine and process that this is, as the log and claims name it."""
    return f"{socket.gethostname()}:{os.getpid()}"
