"""Training of the lateral network on the stack's own sections."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.interpolation.lateral.config import LateralConfig, gaps_px
from napari_emgauss.interpolation.lateral.network import LateralNetwork
from napari_emgauss.interpolation.lateral.rows import RowNetwork
from napari_emgauss.interpolation.lateral.samples import RowBatch, draw_batch
from napari_emgauss.runtime.adam import Adam
from napari_emgauss.runtime.device import low_precision
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.runtime.torch_threads import one_torch_thread, use_one_torch_thread
from napari_emgauss.runtime.triton import load_triton

StepProgress = Callable[[int, int, float], None]
"""Called after each step with the step (from 1), all steps and the running mean squared error.

On a GPU the error is that of some steps before, and NaN in the first ones.
"""

_WARM_UP_STEPS = 100
_FINAL_RATE = 0.02
_FINE_TUNING_RATE = 0.3
_READ_EVERY = 100
"""Steps after which errors are read from a GPU, which is waited for."""
_PIECE_ROWS = 12
"""Examples that one CPU thread works on at a time: their activations stay in its cache (48 take twice as long each)."""


def train_lateral(
    sections: FloatArray,
    factor: float,
    *,
    config: LateralConfig,
    seed: int = 0,
    device: str | torch.device = "cpu",
    should_stop: Callable[[], bool] | None = None,
    on_progress: StepProgress | None = None,
) -> LateralNetwork:
    """Train a network on ``sections``, along y and x, to predict rows between others ``factor`` px apart.

    Parameters
    ----------
    sections
        Stack (n, Y, X), intensities about 0..1, finite.
    factor
        Distance between sections in px, dz / dx; need not be whole.
    config
        Settings.
    seed
        Seed of the initial weights and of the examples.
    device
        Where to train, and where the network stays: a torch device such as ``cpu`` or ``cuda``.
    should_stop
        Asked after each step; training ends early, with what was learned, when it returns True.
    on_progress
        See `StepProgress`.

    Raises
    ------
    VolumeError
        ``sections`` is not a finite stack, or its sections are too small for ``factor``.
    ConfigError
        ``factor`` is not a number of at least 1.
    """
    _check(sections)
    gaps = gaps_px(factor, min(sections.shape[1:]), config)
    rows = RowNetwork(config, torch.Generator().manual_seed(seed)).to(device)
    network = LateralNetwork(rows, config=config, factor=factor)
    steps = config.steps_for(sections.size)
    _optimise(network, sections, gaps, steps, config.rate, seed, should_stop, on_progress)
    return network


def adapt(
    network: LateralNetwork,
    sections: FloatArray,
    factor: float,
    *,
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> LateralNetwork:
    """Train a copy of ``network`` a little further for another ``factor``; parameters as in `train_lateral`."""
    config = network.config
    _check(sections)
    gaps = gaps_px(factor, min(sections.shape[1:]), config)
    adapted = LateralNetwork(copy.deepcopy(network.rows), config=config, factor=factor)
    steps = round(config.evidence_share * config.steps_for(sections.size))
    if steps:
        _optimise(adapted, sections, gaps, steps, _FINE_TUNING_RATE * config.rate, seed, should_stop, None)
    return adapted


def _optimise(
    network: LateralNetwork,
    sections: FloatArray,
    gaps: tuple[float, float],
    steps: int,
    rate: float,
    seed: int,
    should_stop: Callable[[], bool] | None,
    on_progress: StepProgress | None,
) -> None:
    config, rng = network.config, np.random.default_rng(seed)
    student = copy.deepcopy(network.rows).train().requires_grad_()
    load_triton()
    optimiser = Adam([{"params": list(student.parameters()), "lr": rate}], weight_decay=config.weight_decay)
    device = next(student.parameters()).device
    running, unread = math.nan, list[Tensor]()
    with one_torch_thread() if device.type == "cpu" else nullcontext():
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = rate * _schedule(step, steps)
            loss = _differentiate(student, draw_batch(sections, gaps, config=config, rng=rng).to(device))
            optimiser.step()
            # Early on the average would remember the initial weights.
            _average(network.rows, student, min(config.average, step / (step + 10)))
            unread.append(loss)
            if device.type == "cpu" or len(unread) == _READ_EVERY:
                for value in torch.stack(unread).tolist():
                    running = value if math.isnan(running) else 0.98 * running + 0.02 * value
                unread.clear()
            if on_progress is not None:
                on_progress(step + 1, steps, running)
            if should_stop is not None and should_stop():
                break


def _differentiate(student: RowNetwork, batch: RowBatch) -> Tensor:
    """Set the gradients of the batch's mean squared error, which is returned.

    On the CPU threads share the batch out in pieces. Pieces and the order of their sum are fixed: the result does not
    depend on the number of threads.
    """
    on_cpu = batch.rows.device.type == "cpu"
    pieces = batch.pieces(_PIECE_ROWS if on_cpu else len(batch.rows))
    parameters = list(student.parameters())
    results: list[tuple[Tensor, tuple[Tensor, ...]]] = [(torch.zeros(()), ())] * len(pieces)

    def work(index: int) -> None:
        if on_cpu:
            use_one_torch_thread()
        piece = pieces[index]
        with low_precision(piece.rows.device):
            loss = functional.mse_loss(student(piece.rows, piece.gap_px, piece.phases), piece.hidden)
        loss = loss * (len(piece.rows) / len(batch.rows))
        results[index] = loss.detach().double(), torch.autograd.grad(loss, parameters)

    for_each(work, range(len(pieces)))
    for parameter, *gradients in zip(parameters, *(gradients for _, gradients in results), strict=True):
        parameter.grad = torch.stack(gradients).sum(0)
    return torch.stack([loss for loss, _ in results]).sum()


def _schedule(step: int, steps: int) -> float:
    warm_up = min(1.0, (step + 1) / min(_WARM_UP_STEPS, max(1, steps // 10)))
    return warm_up * (_FINAL_RATE + (1 - _FINAL_RATE) * (1 + math.cos(math.pi * step / steps)) / 2)


@torch.no_grad()
def _average(average: torch.nn.Module, student: torch.nn.Module, decay: float) -> None:
    for mine, theirs in zip(average.parameters(), student.parameters(), strict=True):
        mine.lerp_(theirs, 1 - decay)


def _check(sections: FloatArray) -> None:
    if sections.ndim != 3 or 0 in sections.shape:
        raise VolumeError(f"expected sections of shape (n, Y, X), got {sections.shape}. Pass a stack.")
    if not np.isfinite(sections).all():
        raise VolumeError("sections has NaN or infinite values; replace them or leave their sections out.")
