"""One pool of threads for the compiled kernels, which run without the GIL.

Numba's own ``parallel=True`` aborts the process when two Python threads use it at once (training and a slider), hence
this one. The caller works too and takes whatever the pool has not begun: nothing can deadlock, even nested or while
another caller keeps every thread busy.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

Part = TypeVar("Part")

MAX_DEFAULT_THREADS = 16
"""More gain little for images of usual size, and would starve torch and the user interface."""

MOST_PX_AT_ONCE = 2**25
"""Pixels of images that are held at a time for the sake of speed."""

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_n_threads: int | None = None


def _forget_pool() -> None:
    """Start afresh in a forked child, where the parent's threads do not exist and its lock may be held."""
    global _lock, _pool
    _lock = threading.Lock()
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_threads() -> int:
    """Return the number of threads that the compiled kernels use."""
    if _n_threads is not None:
        return _n_threads
    return min(usable_cores(), MAX_DEFAULT_THREADS)


def set_threads(n: int | None) -> None:
    """Use ``n`` threads for the compiled kernels from the next call on; None restores the default.

    Raises
    ------
    ValueError
        If ``n`` is not a positive whole number.
    """
    global _pool, _n_threads
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise ValueError(f"threads must be a whole number of at least 1, or None for the default, got {n!r}.")
    with _lock:
        old, _pool, _n_threads = _pool, None, n
    if old is not None:
        old.shutdown(wait=False)


def _submit(task: Callable[[], None], copies: int) -> list[Future[None]]:
    """Ask the pool for help; none comes when the interpreter is shutting down."""
    global _pool
    with _lock:
        try:
            if _pool is None:
                _pool = ThreadPoolExecutor(max(1, get_threads() - 1), thread_name_prefix="emgauss-kernel")
            return [_pool.submit(task) for _ in range(copies)]
        except RuntimeError:
            return []


def for_each(work: Callable[[Part], object], parts: Iterable[Part]) -> None:
    """Call ``work`` once for every part, on several threads; return when all are done.

    The first exception is raised again here, after the parts already begun have ended.
    """
    queue = deque(parts)

    def drain() -> None:
        while True:
            try:
                part = queue.popleft()
            except IndexError:
                return
            work(part)

    helpers = _submit(drain, min(get_threads(), len(queue)) - 1) if len(queue) > 1 and get_threads() > 1 else []
    try:
        drain()
    finally:
        queue.clear()
        begun = [helper for helper in helpers if not helper.cancel()]
        failures = [failure for helper in begun if (failure := helper.exception()) is not None]
    if failures:
        raise failures[0]


def at_once(n_px: int) -> int:
    """Return how many images of ``n_px`` pixels threads should work on at a time: one each, and few large ones."""
    return max(1, min(get_threads(), MOST_PX_AT_ONCE // max(n_px, 1)))


def even_ranges(n: int, parts: int) -> list[tuple[int, int]]:
    """Cut ``range(n)`` into at most ``parts`` half-open ranges of nearly equal length."""
    parts = max(1, min(parts, n))
    edges = [n * k // parts for k in range(parts + 1)]
    return list(pairwise(edges))
