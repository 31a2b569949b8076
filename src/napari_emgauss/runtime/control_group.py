"""Memory that Linux's control groups leave to this process: limits of containers, batch systems and services."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PROCESS = Path("/proc/self")
_FILES = {
    "cgroup2": (("memory.max", "memory.high"), "memory.current", ("active_file", "inactive_file")),
    "cgroup": (("memory.limit_in_bytes",), "memory.usage_in_bytes", ("total_active_file", "total_inactive_file")),
}
"""By the version of control groups: files with limits and with what is used; of the latter, the files' pages in
memory, which make room for whatever needs it."""


def control_group_bytes(process: Path = PROCESS) -> int:
    """Return what the control groups of a process leave to it and to all others in them; as good as none if no limit.

    Parameters
    ----------
    process
        Folder of the process below ``/proc``.
    """
    return max(0, min((_left(kind, group) for kind, group in _groups(process)), default=sys.maxsize))


def _groups(process: Path) -> Iterator[tuple[str, Path]]:
    """Yield the version and the folder of each group that the process is in, and of those around it."""
    try:
        own = dict(_own_paths((process / "cgroup").read_text()))
        mounts = (process / "mountinfo").read_text().splitlines()
    except OSError:
        return
    for line in mounts:
        # See proc(5): id, parent, device, root, mount point, options, any number of fields, "-", type, source, options.
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind not in own or (kind == "cgroup" and "memory" not in options.split(",")):
            continue
        root, mount = (PurePosixPath(name) for name in before.split()[3:5])
        # Of a container, the host's name may be told, where only its own part of the tree is to be seen.
        inside = own[kind].relative_to(root) if own[kind].is_relative_to(root) else PurePosixPath()
        for path in (inside, *inside.parents):
            yield kind, Path(mount / path)


def _own_paths(text: str) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield the version and the path of the groups that ``/proc/PID/cgroup`` names and that limit memory."""
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield "cgroup2", PurePosixPath(path)
        elif "memory" in controllers.split(","):
            yield "cgroup", PurePosixPath(path)


def _left(kind: str, group: Path) -> int:
    """Return what a group has left."""
    limits, used, pages = _FILES[kind]
    limit = min(_number(group / name) for name in limits)
    if limit == sys.maxsize:
        return limit
    try:
        taken = int((group / used).read_text())
        counted = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return sys.maxsize
    return limit - (taken - sum(int(counted.get(name, 0)) for name in pages))


def _number(path: Path) -> int:
    """Return the limit in a file; as good as none where there is no such file, or it says ``max``."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return sys.maxsize
