"""Rasterizers that work here, and the reasons why others do not."""

from __future__ import annotations

import importlib
import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from types import ModuleType
from typing import Literal, get_args

import torch
from torch import Tensor

from napari_emgauss.errors import BackendUnavailableError, ConfigError
from napari_emgauss.runtime.gpu_parts import GSPLAT, TRITON, kernel_parts

LOGGER = logging.getLogger(__name__)

Mode = Literal["sum", "alpha"]
Backend = Literal["auto", "cpu", "gsplat", "triton", "torch", "dense"]
SplatFunction = Callable[[Tensor, Tensor, Tensor, Tensor | None, tuple[int, int]], Tensor]
"""(means, conics, weights (n, d), opacities, shape) -> (h, w, d)"""
BatchFunction = Callable[[Tensor, Tensor, Tensor, Tensor | None, Sequence[int], tuple[int, int]], Tensor]
"""The same for the Gaussians of several images, so many of each -> (k, h, w, d)"""
TangentMaps = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]
"""Coefficients (n, 6) -> images (k, h, w), and its transpose."""
TangentFunction = Callable[[Tensor, Tensor, Sequence[int], tuple[int, int]], TangentMaps]
"""(means, conics, Gaussians of each image, shape) -> the maps"""

_HOME = {"cpu": "cpu", "gsplat": "tiles", "triton": "gpu.sums", "torch": "patches", "dense": "dense"}
_MODES: dict[str, tuple[Mode, ...]] = {
    "cpu": ("sum", "alpha"),
    "gsplat": ("alpha",),
    "triton": ("sum",),
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


def _explained(what: str, names: tuple[str, ...], error: Exception, otherwise: str) -> tuple[str, str]:
    """Say why kernels do not compile, by the parts that are missing and the error, and the remedy.

    Of a long message the line that tells the error is kept. ``otherwise`` is the remedy if nothing is missing.
    """
    missing = [part for part in kernel_parts() if part.name in names and not part.found]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    line = next((line for line in lines if re.search(r"\berror\b ?[:#C]", line)), lines[0])
    reasons = [*(f"{part.name}: {part.detail}" for part in missing), f"{type(error).__name__}: {line[:300]}"]
    return f"{what}: {'; '.join(reasons)}", " ".join(part.remedy for part in missing) or otherwise


@cache
def _gsplat_failure() -> tuple[str, str] | None:
    """Say why gsplat cannot be used, and the remedy; the first call compiles its kernels, which takes minutes."""
    if not torch.cuda.is_available():
        return "torch finds no CUDA device.", _NEEDS_CUDA
    error: Exception = RuntimeError("gsplat found no CUDA toolkit")
    try:
        if importlib.import_module("gsplat.cuda._backend")._C is not None:
            return None
    except ModuleNotFoundError as missing:
        return f"gsplat is not installed ({missing}).", "Install it: pip install 'napari-emgauss[gpu]'."
    except Exception as raised:  # noqa: BLE001 - whatever the compilation of a foreign extension raises
        error = raised
    otherwise = f"Use gsplat 1.5.3 and the CUDA toolkit {torch.version.cuda}, or device='cpu'."
    return _explained("gsplat's kernels do not compile", GSPLAT, error, otherwise)


def _home(name: str) -> ModuleType:
    """Return a backend's module, imported when first used: compiling needs numba, drawing on a GPU does not."""
    return importlib.import_module(f"napari_emgauss.render.{_HOME[name]}")


@cache
def _triton_failure(device: torch.device) -> tuple[str, str] | None:
    """Say why triton cannot be used, and the remedy; the first call compiles its kernels, which takes seconds."""
    if device.type != "cuda" and not os.environ.get("TRITON_INTERPRET"):
        return f"it draws tensors on a CUDA device, not on {device}.", "Move the tensors: tensor.cuda()."
    try:
        interpreted: bool = importlib.import_module("napari_emgauss.render.gpu.kernels").INTERPRETED
        if interpreted != (device.type == "cpu"):
            reason = f"TRITON_INTERPRET is {'' if interpreted else 'not '}set for its kernels; it draws on {device} "
            return f"{reason}{'without' if interpreted else 'with'} it.", "Set or unset it before the program starts."
        if not interpreted:
            _draw_one(device)
    except ModuleNotFoundError as error:
        remedy = "CUDA builds of torch for Linux bring it (see pytorch.org); elsewhere backend='torch' draws sums."
        return f"triton is not installed ({error}).", remedy
    except Exception as error:  # noqa: BLE001 - whatever the compilers that triton calls raise
        otherwise = "Install the triton that this torch asks for (pip install --upgrade torch), or use backend='torch'."
        return _explained("triton's kernels do not run", TRITON, error, otherwise)
    return None


def _draw_one(device: torch.device) -> None:
    """Draw a Gaussian with triton, and derive it; raises what goes wrong."""
    with torch.inference_mode(False), torch.enable_grad():
        mean = torch.zeros((1, 2), device=device, requires_grad=True)
        conic = torch.ones((1, 3), device=device)
        conic[:, 1] = 0
        image: Tensor = _home("triton").splat_sum(mean, conic, torch.ones((1, 1), device=device), None, (4, 4))
        image.sum().backward()  # type: ignore[no-untyped-call]
    if abs(image[0, 0].item() - 1) > 1e-3:
        raise RuntimeError(f"a Gaussian of weight 1 was drawn as {image[0, 0].item()}")


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
    if name == "triton":
        return _triton_failure(device)
    return None


def available_backends(device: str | torch.device = "cpu") -> list[BackendState]:
    """Return the state of every rasterizer for tensors on ``device``.

    Where a GPU is present this imports gsplat and triton, whose kernels compile on first use (minutes).
    """
    chosen = torch.device(device)
    states = []
    for name in _HOME:
        reason, remedy = _failure(name, chosen) or ("", "")
        states.append(BackendState(name=name, modes=_MODES[name], ok=not reason, reason=reason, remedy=remedy))
    return states


@cache
def _automatic(device: torch.device, mode: Mode) -> str:
    """Return the fastest backend for the device; a slower stand-in for one that is broken only with a warning."""
    if device.type == "cpu":
        return "cpu"
    if device.type != "cuda":
        return "torch"
    if mode == "alpha":
        return "gsplat"
    if (failure := _failure("triton", device)) is None:
        return "triton"
    LOGGER.warning("Sums are drawn with torch, at a part of the speed: %s %s", *failure)
    return "torch"


def _choose(backend: str, device: torch.device, mode: Mode) -> str:
    """Return the name of the backend that draws ``mode`` for tensors on ``device``; raises as `choose_backend`."""
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
    return name


def choose_backend(backend: str, device: torch.device, mode: Mode) -> SplatFunction:
    """Return the function that draws ``mode`` for tensors on ``device``.

    Raises
    ------
    ConfigError
        For an unknown backend or mode, or a backend that cannot draw the mode.
    BackendUnavailableError
        If the backend does not work here.
    """
    function: SplatFunction = getattr(_home(_choose(backend, device, mode)), f"splat_{mode}")
    return function


def check_counts(counts: Sequence[int], n: int) -> None:
    """Raise a ValueError unless ``counts`` of the Gaussians of images, at least one, add up to ``n``."""
    if not counts or min(counts) < 0 or sum(counts) != n:
        raise ValueError(f"counts must be at least 0 each and add up to n = {n}, got {list(counts)}.")


def rows_of(counts: Sequence[int]) -> list[slice]:
    """Return where the Gaussians of each image are."""
    return [slice(end - count, end) for end, count in zip(accumulate(counts), counts, strict=True)]


def choose_batched(backend: str, device: torch.device, mode: Mode) -> BatchFunction:
    """Return the function that draws several images of ``mode``; raises as `choose_backend`."""
    name = _choose(backend, device, mode)
    if name == "triton":
        batched: BatchFunction = _home(name).splat_sums
        return batched
    draw = choose_backend(name, device, mode)

    def one_by_one(
        means: Tensor,
        conics: Tensor,
        weights: Tensor,
        opacities: Tensor | None,
        counts: Sequence[int],
        shape: tuple[int, int],
    ) -> Tensor:
        rows = rows_of(counts)
        strengths = [None if opacities is None else opacities[own] for own in rows]
        drawn = zip(rows, strengths, strict=True)
        return torch.stack([draw(means[own], conics[own], weights[own], o, shape) for own, o in drawn])

    return one_by_one


def choose_tangent(backend: str, device: torch.device) -> TangentFunction:
    """Return what makes the two maps of `Tangent`; raises as `choose_backend`."""
    name = _choose(backend, device, "sum")
    if name not in ("cpu", "triton", "torch"):
        raise ConfigError(f"backend {name!r} has no tangent maps; these have: 'cpu', 'triton', 'torch'.")
    home = _home(name)
    if name == "triton":
        made: TangentFunction = home.tangent_maps
        return made

    def one_by_one(means: Tensor, conics: Tensor, counts: Sequence[int], shape: tuple[int, int]) -> TangentMaps:
        rows = rows_of(counts)

        def draw(coefficients: Tensor) -> Tensor:
            return torch.stack([home.draw_changes(means[own], conics[own], coefficients[own], shape) for own in rows])

        def project(images: Tensor) -> Tensor:
            sets = zip(rows, images, strict=True)
            return torch.cat([home.project(means[own], conics[own], image) for own, image in sets])

        return draw, project

    return one_by_one
