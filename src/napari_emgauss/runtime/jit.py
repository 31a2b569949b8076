"""Compilation of the CPU kernels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from numba import njit

LOGGER = logging.getLogger(__name__)
Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Not the full fast-math set: comparisons with NaN and infinity must keep their meaning.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz"}}


def njit_nogil(function: Kernel) -> Kernel:
    """Compile on the first call for the types it sees, without the GIL, and keep the result on disk.

    Numba caches beside the source, else in the user's cache folder or NUMBA_CACHE_DIR. Where none is writable it
    raises at import; here the kernels are then compiled anew in every process. So they are where what was kept is
    damaged, by a full disk or a process that was killed: it is thrown away.
    """
    compiled: Kernel
    try:
        compiled = njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:
        compiled = njit(**_OPTIONS)(function)
    else:
        _forgive(getattr(compiled, "_cache", None))
    return compiled


def _forgive(cache: Any) -> None:
    """Make a kernel's cache, which Numba trusts, one that may hold anything and may refuse to be written."""
    if not hasattr(cache, "load_overload"):
        return
    load, keep = cache.load_overload, cache.save_overload

    def load_overload(signature: Any, context: Any) -> Any:
        try:
            return load(signature, context)
        except Exception:  # noqa: BLE001 - a pickle cut short raises anything
            LOGGER.warning("the compiled kernels kept in %s are damaged; they are compiled again", cache.cache_path)
            with suppress(OSError):
                cache.flush()
            return None

    def save_overload(signature: Any, data: Any) -> None:
        with suppress(OSError):
            keep(signature, data)

    cache.load_overload, cache.save_overload = load_overload, save_overload
