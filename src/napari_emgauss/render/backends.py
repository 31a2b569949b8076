"""Rasterizers that work here, and the reasons why others do not."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor

from napari_emgauss.errors import BackendUnavailableError, ConfigError

Mode = Literal["sum", "alpha"]
Backend = Literal["auto", "cpu", "gsplat", "torch", "dense"]
SplatFunction = Callable[[Tensor, Tensor, Tensor, Tensor | None, tuple[int, int]], Tensor]

_HOME = {"cpu": "cpu", "gsplat": "tiles", "torch": "patches", "dense": "dense"}
_MODES: dict[str, tuple[Mode, ...]] = {
    "cpu": ("sum", "alpha"),
    "gsplat": ("alpha",),
    "torch": ("sum",),
    "dense": ("sum", "alpha"),
}
_NEEDS_CUDA = "This needs an NVIDIA GPU and a CUDA build of torch (see pytorch.org); on the CPU use backend='cpu'."


@dataclass(frozen=True, kw_only=True)
class BackendState:
    """State of one rasterizer, as ``doctor`` reports it."""

    name: str
    """As accepted by ``splat(backend=...)``."""
    modes: tuple[Mode, ...]
    """What it can draw."""
    ok: bool
    """Whether it works for the device asked about."""
    reason: str = ""
    """Why it does not work; empty if it does."""
    remedy: str = ""
    """What to do about it; empty if it works."""


@cache
def _gsplat_failure() -> tuple[str, str] | None:
    """Say why gsplat cannot be used, and the remedy; the first call compiles its kernels, which takes minutes."""
    if not torch.cuda.is_available():
        return "torch finds no CUDA device.", _NEEDS_CUDA
    try:
        backend = importlib.import_module("gsplat.cuda._backend")
    except ModuleNotFoundError as error:
        return f"gsplat is not installed ({error}).", "Install it: pip install 'napari-emgauss[gpu]'."
    except Exception as error:  # noqa: BLE001 - whatever the compilation of a foreign extension raises
        reason = f"gsplat's kernels did not compile: {type(error).__name__}: {error}"
        return reason, "Install the CUDA toolkit (nvcc) of torch's CUDA version, ninja and a C++ compiler."
    if getattr(backend, "_C", None) is None:
        reason = "gsplat found no CUDA toolkit and has no compiled kernels."
        return reason, "Install the CUDA toolkit (nvcc) of torch's CUDA version, ninja and a C++ compiler."
    return None


def _failure(name: str, device: torch.device) -> tuple[str, str] | None:
    """Say why backend ``name`` cannot draw tensors on ``device``, and the remedy; None if it can."""
    if device.type == "cuda" and not torch.cuda.is_available():
        return "torch finds no CUDA device.", _NEEDS_CUDA
    if name == "cpu" and device.type != "cpu":
        return f"it draws tensors in main memory, not on {device}.", "Move the tensors: tensor.cpu()."
    if name == "gsplat":
        if (failure := _gsplat_failure()) is not None:
            return failure
        if device.type != "cuda":
            return f"it draws tensors on a CUDA device, not on {device}.", "Move the tensors: tensor.cuda()."
    return None


def available_backends(device: str | torch.device = "cpu") -> list[BackendState]:
    """Return the state of every rasterizer for tensors on ``device``.

    Where a GPU is present this imports gsplat, whose kernels compile on first use (minutes).
    """
    chosen = torch.device(device)
    states = []
    for name in _HOME:
        reason, remedy = _failure(name, chosen) or ("", "")
        states.append(BackendState(name=name, modes=_MODES[name], ok=not reason, reason=reason, remedy=remedy))
    return states


def _automatic(device: torch.device, mode: Mode) -> str:
    """Return the fastest backend for the device; never a slower stand-in for one that is broken."""
    if device.type == "cpu":
        return "cpu"
    return "gsplat" if mode == "alpha" and device.type == "cuda" else "torch"


def choose_backend(backend: str, device: torch.device, mode: Mode) -> SplatFunction:
    """Return the function that draws ``mode`` for tensors on ``device``.

    Raises
    ------
    ConfigError
        For an unknown backend or mode, or a backend that cannot draw the mode.
    BackendUnavailableError
        If the backend does not work here.
    """
    if mode not in get_args(Mode):
        raise ConfigError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}.")
    if backend not in get_args(Backend):
        raise ConfigError(f"backend must be one of {', '.join(get_args(Backend))}, got {backend!r}.")
    name = _automatic(device, mode) if backend == "auto" else backend
    if mode not in _MODES[name]:
        able = ", ".join(repr(other) for other, modes in _MODES.items() if mode in modes)
        raise ConfigError(f"backend {name!r} cannot draw mode {mode!r}; these can: {able}.")
    if (failure := _failure(name, device)) is not None:
        raise BackendUnavailableError(f"Backend {name!r} is unavailable: {failure[0]} {failure[1]}")
    # Imported when first used: compiling needs numba, drawing on a GPU does not.
    function: SplatFunction = getattr(importlib.import_module(f"napari_emgauss.render.{_HOME[name]}"), f"splat_{mode}")
    return function
