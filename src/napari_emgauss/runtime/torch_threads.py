"""Torch's own threads: none for a thread that draws while others compute."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_here = threading.local()


def use_one_torch_thread() -> None:
    """Let torch use no helpers in the calling thread; other threads keep theirs.

    OpenMP's threads wait for each other at the end of every operation. Beside a training run, or anything else that
    keeps the cores busy, that takes a scheduler's time slice each time: a section of 500 × 500 pixels then needs 400 ms
    instead of 25. The compiled kernels, where most of the work is, have their own pool, which does not wait so.
    """
    if getattr(_here, "done", False):
        return
    shared = torch.get_num_threads()
    torch.set_num_threads(1)
    # It sets this thread's number and the one that new threads start with; the latter is put back from another thread.
    restore = threading.Thread(target=torch.set_num_threads, args=(shared,), name="emgauss-restore")
    restore.start()
    restore.join()
    _here.done = True


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Do `use_one_torch_thread` for a while: for training, whose heavy work is in the compiled kernels."""
    before = torch.get_num_threads()
    done_before = getattr(_here, "done", False)
    use_one_torch_thread()
    try:
        yield
    finally:
        _here.done = done_before
        torch.set_num_threads(before)
