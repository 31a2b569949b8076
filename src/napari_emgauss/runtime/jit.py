"""Compilation of the CPU kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Not the full fast-math set: comparisons with NaN and infinity must keep their meaning.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz"}}


def njit_nogil(function: Kernel) -> Kernel:
    """Compile on the first call for the types it sees, without the GIL, and keep the result on disk.

    Numba caches beside the source, else in the user's cache folder or NUMBA_CACHE_DIR. Where none is writable it
    raises at import; here the kernels are then compiled anew in every process.
    """
    compiled: Kernel
    try:
        compiled = njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:
        compiled = njit(**_OPTIONS)(function)
    return compiled
