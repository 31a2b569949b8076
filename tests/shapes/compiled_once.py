"""Kernels compiled by one of several processes, and loaded from Numba's cache by the others.

Each of the processes that run tests side by side would compile the same kernels in its first minute.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from filelock import FileLock
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher


def compile_once() -> None:
    """Let a process that would compile a function wait while another compiles it; it then finds it in the cache."""
    Dispatcher.compile = compiled_by_one(Dispatcher.compile)


def compiled_by_one(compile_for: Any) -> Any:
    """Return Numba's own method with a lock around it, a file beside what is kept of the function."""

    def compile_by_one(self: Dispatcher, signature: Any) -> Any:
        folder = self._cache.cache_path
        if folder is None:  # nothing is kept
            return compile_for(self, signature)
        name = re.sub(r"[<>]", "", f"{self.py_func.__module__}.{self.py_func.__qualname__}.lock")  # for Windows
        Path(folder).mkdir(parents=True, exist_ok=True)
        # In this order everywhere: a thread that has the file's lock never waits for another thread of its process.
        with global_compiler_lock, FileLock(Path(folder) / name, is_singleton=True):
            return compile_for(self, signature)

    return compile_by_one
