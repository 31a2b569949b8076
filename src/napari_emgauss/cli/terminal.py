"""A terminal: what it is shown, and the signals that come from it. Light, for it is there before anything else."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]

INTERRUPTED = 130
_SHOW_CURSOR = "\x1b[?25h"
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, what a cluster sends before it kills, and what a closed terminal sends."""


def printable(text: str) -> str:
    r"""Return ``text`` with control characters written out, like ``\x1b``: names of files must not steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


class Output:
    """Standard output, or error, that may go away: a closed terminal or pipe is no reason for a training to end."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def _stream(self) -> Any:
        """What is written to; a live display puts a proxy of its own in its place, which would write to us again."""
        stream = getattr(sys, self._name)
        return getattr(stream, "rich_proxied_file", stream)

    @property
    def rich_proxied_file(self) -> Output:
        """What rich is to write to: not the stream itself."""
        return self

    def write(self, text: str) -> int:
        """Write, if it is still there; what a signal says in the middle of another line is lost."""
        with contextlib.suppress(OSError, RuntimeError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if it is still there."""
        with contextlib.suppress(OSError, RuntimeError):
            self._stream.flush()


def quit_at_once(signum: int, frame: FrameType | None) -> None:
    """End the process here and now, without a traceback."""
    error = Output("stderr")
    error.write(f"{_SHOW_CURSOR if sys.stderr.isatty() else ''}\nInterrupted.\n")
    error.flush()
    os._exit(INTERRUPTED)


@contextmanager
def on_signals(handler: Handler) -> Iterator[None]:
    """Have ``handler`` called for everything that asks the process to end; signals that were ignored stay ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    try:
        for name in _ENDING:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
