"""Speed of a device: times of the sum of Gaussians, and what they could be at best."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from napari_emgauss.gaussians import conics_from
from napari_emgauss.render import rules, splat

Splats = tuple[Tensor, Tensor, Tensor]
"""Means, conics and weights."""
LANES_PER_MULTIPROCESSOR = 128
BYTES_PER_GAUSSIAN, BYTES_PER_PX = 2 * 24, 2 * 4
"""What drawing and its gradient must move at least: six float32 in and six gradients out, a pixel out and its gradient
in. Lists of which Gaussian reaches where are not counted: they could stay on the chip."""
OPERATIONS_PER_PAIR = 12 + 28
"""Floating-point operations of a Gaussian at a pixel, drawn and differentiated; an exponential counts as one."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Amount of work of a self-test."""

    gaussians: int = 60_000
    px_per_gaussian: float = 130.0
    side_px: int = 500
    """Side of the image that is timed."""
    stack: tuple[int, int, int] = (61, 192, 192)
    """Shape of the phantom whose every sixth section is trained on."""
    repeats: int = 20
    copied_bytes: int = 2**28


def random_gaussians(n: int, side_px: int, px_per_gaussian: float) -> dict[str, Tensor]:
    """Return Gaussians spread evenly over a square, each drawn on about that many pixels, on the CPU."""
    g = torch.Generator().manual_seed(0)
    area = px_per_gaussian / (2 * math.pi * rules.CUTOFF_EXPONENT)
    stretch = 0.4 * torch.randn(n, generator=g)
    return {
        "mean_px": side_px * torch.rand(n, 2, generator=g) - 0.5,
        "log_scale": 0.5 * math.log(area) + 0.5 * torch.stack([stretch, -stretch], 1),
        "angle_rad": math.pi * torch.rand(n, generator=g),
        "intensity": torch.rand(n, generator=g),
    }


def conics_and_weights(gaussians: Mapping[str, Tensor]) -> Splats:
    """Return what `splat` takes of Gaussians: means, conics and weights."""
    conics, _ = conics_from(gaussians["log_scale"], gaussians["angle_rad"])
    return gaussians["mean_px"], conics, gaussians["intensity"]


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the shortest of the times that ``work`` takes, after a first run that compiles."""
    best = math.inf
    for k in range(repeats + 1):
        _wait(device)
        start = time.perf_counter()
        work()
        _wait(device)
        if k:
            best = min(best, time.perf_counter() - start)
    return best


def bandwidth(device: torch.device, n_bytes: int, repeats: int = 10) -> float:
    """Return bytes per second, read and written, of a copy within the device's memory."""
    source = torch.empty(n_bytes // 4, device=device)
    target = torch.empty_like(source)
    return 2 * n_bytes / seconds_of(lambda: target.copy_(source), device, repeats)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def operations_per_s(device: torch.device) -> float:
    """Return the peak of float32 operations, two per lane and clock; NaN where it is not known."""
    if device.type != "cuda":
        return math.nan
    properties = torch.cuda.get_device_properties(device)
    clock_hz = 1e3 * float(getattr(properties, "clock_rate", math.nan))
    return 2 * LANES_PER_MULTIPROCESSOR * properties.multi_processor_count * clock_hz


def _graph_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the shortest time of ``work`` replayed as a CUDA graph; NaN where there are none."""
    if device.type != "cuda":
        return math.nan
    stream: Any = torch.cuda.Stream  # untyped
    aside = stream(device)
    with torch.cuda.stream(aside):
        for _ in range(3):
            work()
    _wait(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return seconds_of(graph.replay, device, repeats)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Times of a sum of Gaussians, and what share of the device that is."""

    forward_s: float
    backward_s: float
    graph_s: float
    """Both, launched as one CUDA graph; NaN where there are none."""
    copied: float
    """Bytes per second, read and written, that a copy reaches."""
    bytes_moved: int
    """What must be moved at least, forward and backward."""
    operations: float
    """Floating-point operations, forward and backward."""
    peak: float
    """Operations per second of the device; NaN where it is not known."""

    @property
    def bandwidth_bound_s(self) -> float:
        """Time of the copy of what must be moved."""
        return self.bytes_moved / self.copied

    @property
    def arithmetic_bound_s(self) -> float:
        """Time of the operations at the device's peak; NaN where that is not known."""
        return self.operations / self.peak


def splat_pace(device: torch.device, work: Workload) -> Pace:
    """Time the sum of Gaussians and its gradients."""
    arguments = conics_and_weights(random_gaussians(work.gaussians, work.side_px, work.px_per_gaussian))
    means, conics, weights = leaves = [tensor.to(device).requires_grad_() for tensor in arguments]
    upstream = torch.ones(work.side_px, work.side_px, device=device)

    def draw() -> Tensor:
        return splat(means, conics, weights, (work.side_px, work.side_px))

    def draw_only() -> None:
        with torch.no_grad():
            draw()

    both = seconds_of(lambda: torch.autograd.grad(draw(), leaves, upstream), device, work.repeats)
    forward = seconds_of(draw_only, device, work.repeats)
    return Pace(
        forward_s=forward,
        backward_s=max(both - forward, 1e-9),
        graph_s=_graph_seconds(lambda: torch.autograd.grad(draw(), leaves, upstream), device, work.repeats),
        copied=bandwidth(device, work.copied_bytes),
        bytes_moved=BYTES_PER_GAUSSIAN * work.gaussians + BYTES_PER_PX * work.side_px**2,
        operations=OPERATIONS_PER_PAIR * work.gaussians * work.px_per_gaussian,
        peak=operations_per_s(device),
    )
