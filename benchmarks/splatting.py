"""Time the CPU rasterizer and the training loss: ``python -m benchmarks.splatting``.

Minimum and median over the repeats; on a machine that others use too, the minimum is the figure to compare.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from napari_emgauss.losses import photometric_loss
from napari_emgauss.render import Mode, get_threads, rules, set_threads, splat

Scene = tuple[Tensor, Tensor, Tensor, Tensor]


def random_scene(n: int, side_px: int, px_per_gaussian: float) -> Scene:
    """Gaussians spread evenly over a square, each covering about ``px_per_gaussian`` pixels."""
    g = torch.Generator().manual_seed(0)
    area = px_per_gaussian / (2 * math.pi * rules.CUTOFF_EXPONENT)
    aspect = torch.exp(0.4 * torch.randn(n, generator=g))
    p, q, angle = 1 / (area * aspect), aspect / area, math.pi * torch.rand(n, generator=g)
    c, s = angle.cos(), angle.sin()
    conics = torch.stack([c * c * p + s * s * q, c * s * (p - q), s * s * p + c * c * q], 1)
    means = side_px * torch.rand(n, 2, generator=g) - 0.5
    return means, conics, torch.rand(n, generator=g), 0.3 * torch.rand(n, generator=g)


def times_ms(forward: Callable[[], Tensor], upstream: Tensor, repeats: int) -> np.ndarray:
    """Milliseconds of forward and backward, (repeats, 2), after one call that compiles."""
    measured = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        result = forward()
        middle = time.perf_counter()
        result.backward(upstream)
        measured.append((middle - start, time.perf_counter() - middle))
    return 1e3 * np.array(measured[1:])


def report(name: str, measured: np.ndarray, n_pairs: float | None) -> None:
    best, median = measured.min(0), np.median(measured, 0)
    line = f"{name:22s} forward {best[0]:6.1f} ({median[0]:6.1f}) ms   backward {best[1]:6.1f} ({median[1]:6.1f}) ms"
    if n_pairs:
        line += f"   {1e6 * best[0] / n_pairs:.2f} + {1e6 * best[1] / n_pairs:.2f} ns per pair"
    print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gaussians", type=int, default=60_000)
    parser.add_argument("--side-px", type=int, default=500)
    parser.add_argument("--px-per-gaussian", type=float, default=130.0)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, get_threads()])
    options = parser.parse_args()
    shape = options.side_px, options.side_px
    scene = random_scene(options.gaussians, options.side_px, options.px_per_gaussian)
    leaves = [tensor.requires_grad_() for tensor in scene]
    upstream = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    pairs = options.gaussians * options.px_per_gaussian
    # Other threads of torch only add noise here.
    torch.set_num_threads(1)
    print(
        f"{options.gaussians} Gaussians of {options.px_per_gaussian:g} px on {shape[0]} x {shape[1]}: minimum (median)"
    )
    modes: tuple[Mode, ...] = ("sum", "alpha")
    for threads in dict.fromkeys(options.threads):
        set_threads(threads)
        for mode in modes:

            def draw(mode: Mode = mode) -> Tensor:
                return splat(*leaves[:3], shape, opacities=leaves[3], mode=mode)

            report(f"{mode}, {threads} threads", times_ms(draw, upstream, options.repeats), pairs)
        pred = torch.rand(shape, requires_grad=True)

        def loss(pred: Tensor = pred) -> Tensor:
            return photometric_loss(pred, upstream)

        report(f"loss, {threads} threads", times_ms(loss, torch.tensor(1.0), options.repeats), None)


if __name__ == "__main__":
    main()
