"""``log.jsonl``: what happened in a job, one line each, for people and displays; no decision rests on it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_emgauss.io.jobs.claims import worker_name

LOG = "log.jsonl"
MOST_CHARACTERS = 1000
"""Of a message; a line that is written in one piece is not torn apart by others."""
MOST_BYTES, MOST_BYTES_IN_ALL = 2**16, 2**28
"""Of a line, longer ones are damage; and of a log, of which the end is read."""
LATEST = 1e11
"""Seconds."""
RETRIED = "retried"


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """A line of the log."""

    what: str
    """``begun``, ``done``, ``failed`` or ``stopped`` of a block; ``opened`` or ``closed`` of a run; ``retried`` where
    failures were forgotten."""
    at: float
    """Seconds since 1970."""
    worker: str = ""
    """Machine and process."""
    block: int | None = None
    seconds: float | None = None
    """Time in training."""
    message: str = ""


def append_entry(job: Path, what: str, *, block: int | None = None, **values: Any) -> None:
    """Append a line; where it cannot be written, it is missing."""
    entry: dict[str, Any] = {"at": round(time.time(), 3), "what": what, "worker": worker_name()}
    if block is not None:
        entry["block"] = block
    if "message" in values:
        values["message"] = str(values["message"])[:MOST_CHARACTERS]
    line = json.dumps({**entry, **values}).encode() + b"\n"
    with suppress(OSError):
        job.mkdir(parents=True, exist_ok=True)
        file = os.open(job / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, line)
        finally:
            os.close(file)


def read_entries(job: Path, start: int = 0) -> Iterator[tuple[LogEntry, int]]:
    """Yield whole lines from byte ``start`` on, each with the byte after it; lines that are damaged are left out."""
    try:
        file = (job / LOG).open("rb")
    except OSError:
        return
    with file:
        start = max(start, os.fstat(file.fileno()).st_size - MOST_BYTES_IN_ALL)
        file.seek(start)
        while line := file.readline(MOST_BYTES):
            if not line.endswith(b"\n") and len(line) < MOST_BYTES:
                return  # in writing
            start += len(line)
            entry = _entry(line)
            if entry is not None:
                yield entry, start


def _entry(line: bytes) -> LogEntry | None:
    try:
        values = json.loads(line)
        at, block, seconds = float(values["at"]), values.get("block"), values.get("seconds")
        if not 0 <= at < LATEST or not (seconds is None or 0 <= float(seconds) < LATEST):
            return None
        return LogEntry(
            what=str(values["what"]),
            at=at,
            worker=str(values.get("worker", "")),
            block=None if block is None else int(block),
            seconds=None if seconds is None else float(seconds),
            message=str(values.get("message", "")),
        )
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
