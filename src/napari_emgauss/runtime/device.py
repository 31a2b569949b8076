"""The device that computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal

from napari_emgauss.errors import BackendUnavailableError

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda"]
LOW_PRECISION = ("cuda",)
"""Types of devices on which networks compute in bfloat16."""


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name: ``auto`` is CUDA where it works, otherwise the CPU.

    Raises
    ------
    BackendUnavailableError
        CUDA was asked for and torch cannot use it, or the name is unknown.
    """
    import torch  # slow, and a command line's --help wants the names alone

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if name.startswith("cuda"):
        if not torch.cuda.is_available():
            raise BackendUnavailableError(
                f"device {name!r} was asked for, but this torch ({torch.__version__}) finds no CUDA device. "
                "Install a CUDA build of torch and an NVIDIA driver, or use device='cpu'."
            )
        return torch.device(name)
    raise BackendUnavailableError(f"device must be auto, cpu or cuda, got {name!r}.")


def low_precision(device: torch.device) -> AbstractContextManager[None]:
    """Let networks compute in bfloat16 where the device is made for it."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=device.type in LOW_PRECISION)


@contextmanager
def repeatable() -> Iterator[None]:
    """Let a GPU's convolutions be the same in every run, in the whole process meanwhile."""
    import torch

    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
