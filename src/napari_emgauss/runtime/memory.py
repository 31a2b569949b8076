"""Memory that a piece of work takes: samples of the process's resident size."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import psutil

from napari_emgauss.runtime.control_group import control_group_bytes

MIB = 2**20
_ARENAS = -8
"""What glibc's ``mallopt`` knows as M_ARENA_MAX."""
_SAYS_SO = re.compile(
    r"out of memory|(can't|cannot) allocate memory|not enough memory|bad_alloc|insufficient memory|failed to allocate"
    # What oneDNN says for want of memory; of a primitive's descriptor it says so for what it does not support.
    r"|could not (create a primitive(?! descriptor)|create a memory|execute a primitive|allocate)",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error is for want of memory: torch on the CPU, oneDNN and OpenCV have no class for that."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's, for a GPU
    return named or _SAYS_SO.search(str(error)) is not None


def available_bytes() -> int:
    """Return how much memory this process can still take: what the machine has free, within the process's limits.

    Linux's limits of a control group (containers, batch systems) and of the process itself (``ulimit``) are counted in.
    """
    free = free_bytes()
    if sys.platform == "linux":
        process = psutil.Process().memory_info()
        address_space, data = _own_limits()
        free = min(free, address_space - process.vms, data - process.data)
    return max(free, 0)


def free_bytes() -> int:
    """Return how much memory new processes can take, all together: what machine and control group have free."""
    free = int(psutil.virtual_memory().available)
    return max(0, min(free, control_group_bytes())) if sys.platform == "linux" else free


def process_limit_bytes() -> int:
    """Return what each process of this one may take by limits of its own (``ulimit``), whatever others take."""
    return min(_own_limits()) if sys.platform == "linux" else sys.maxsize


def spare_address_space() -> None:
    """Have all threads allocate from one arena, in workers too, where the address space is limited (``ulimit -v``).

    Each thread would reserve 64 MB of the address space for itself, hardly any of which it uses.
    """
    if sys.platform == "linux" and _own_limits()[0] < sys.maxsize:
        os.environ.setdefault("MALLOC_ARENA_MAX", "1")
        with suppress(AttributeError):  # of other libraries than glibc
            ctypes.CDLL(None).mallopt(_ARENAS, 1)


def give_back_freed() -> None:
    """Return to the system what malloc keeps of what was freed: for other processes, before they are started."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(AttributeError):  # of other libraries than glibc
            ctypes.CDLL(None).malloc_trim(0)


def shared_bytes() -> int:
    """Return what this process has in memory of files, above all libraries: others may use them at no cost."""
    return int(psutil.Process().memory_info().shared) if sys.platform == "linux" else 0


def _own_limits() -> tuple[int, int]:
    """Return the limits of address space and of data; as good as none where there is none."""
    import resource  # not on Windows

    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    address_space, data = (limit if limit >= 0 else sys.maxsize for limit in limits)
    return address_space, data


class MemoryMeter:
    """Peak resident memory of the process during the stretches marked with `measuring`.

    Resident size sees what tracemalloc does not (torch, Numba, OpenCV). It is sampled, so peaks shorter than the
    interval can be missed, and memory that was freed before but not returned to the system hides what reuses it.

    Parameters
    ----------
    interval_s
        Time between two samples.
    """

    def __init__(self, interval_s: float = 0.01) -> None:
        self._process = psutil.Process()
        self._interval_s = interval_s
        self._active, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._sample_until_closed, name="memory-meter", daemon=True)
        gc.collect()
        self.start_bytes = self.peak_bytes = self._process.memory_info().rss

    def __enter__(self) -> MemoryMeter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed.set()
        self._active.set()
        self._thread.join()

    @property
    def peak_above_start_mib(self) -> float:
        """Largest resident size seen so far above that at the start, MiB."""
        return (self.peak_bytes - self.start_bytes) / MIB

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Count what happens inside; what happens outside is ignored."""
        self._active.set()
        try:
            yield
        finally:
            self._sample()
            self._active.clear()

    def _sample(self) -> None:
        self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)

    def _sample_until_closed(self) -> None:
        while not self._closed.is_set():
            self._active.wait()
            if not self._closed.wait(self._interval_s) and self._active.is_set():
                self._sample()


def process_peak_mib() -> float:
    """Return the largest resident size of this process since it started, MiB, as the operating system counted it.

    Linux keeps ``ru_maxrss`` over exec, so a child's would start at the size of its parent; VmHWM begins anew.
    """
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset) / MIB
    status = Path("/proc/self/status")
    if status.exists():
        words = (line.split() for line in status.read_text().splitlines())
        if peaks := [int(word[1]) for word in words if word[:1] == ["VmHWM:"]]:
            return peaks[0] / 1024
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024  # bytes on macOS, KiB elsewhere
