"""Loading triton beside a viewer's OpenGL."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

_loading = threading.Lock()


def load_triton() -> None:
    """Load triton, where torch brings one, bound to its own LLVM; before a training, since parts of torch load it.

    Mesa's software and AMD drivers hold an LLVM too. Once a viewer has loaded theirs, triton's library takes the older
    one's symbols for its own and crashes the process while it is loaded. What other threads load meanwhile is bound to
    its own symbols, too.
    """
    with _loading:
        if "triton" in sys.modules or not hasattr(os, "RTLD_DEEPBIND"):
            return
        flags = sys.getdlopenflags()
        sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
        try:
            with contextlib.suppress(Exception):
                import triton  # noqa: F401 - a broken one is torch's to report
        finally:
            sys.setdlopenflags(flags)
