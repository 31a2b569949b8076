"""Limits of memory for the processes of a command."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, get_args

Counted = Literal["allocated", "address space", "all together"]
"""What a limit is of: what each process allocates (RLIMIT_DATA); its address space (RLIMIT_AS, as by ``ulimit -v``);
what a command and its workers take all together, pages of files included (a control group)."""
_GROUPS = {Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes", Path("/sys/fs/cgroup"): "memory.max"}
_RESOURCES = {"allocated": "RLIMIT_DATA", "address space": "RLIMIT_AS"}


@contextmanager
def limited(n_bytes: int, counted: Counted) -> Iterator[str]:
    """Yield lines of Python that every process runs first, with which the limit holds for it.

    Raises
    ------
    OSError
        Control groups are not this user's to make.
    """
    if counted not in get_args(Counted):
        raise ValueError(f"counted must be one of {get_args(Counted)}, got {counted!r}.")
    if not n_bytes:
        yield ""
    elif counted in _RESOURCES:
        yield f"import resource\nresource.setrlimit(resource.{_RESOURCES[counted]}, ({n_bytes}, {n_bytes}))"
    else:
        root, name = next((root, name) for root, name in _GROUPS.items() if root.is_dir())
        group = root / f"napari-emgauss-{os.getpid()}"
        group.mkdir()
        try:
            (group / name).write_text(str(n_bytes))
            yield f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')"
        finally:
            for _ in range(100):  # its processes are just ending
                with suppress(OSError):
                    group.rmdir()
                    break
                time.sleep(0.1)
