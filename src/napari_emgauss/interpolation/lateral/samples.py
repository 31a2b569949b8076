"""Training examples: rows of observed sections, most of them hidden."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.interpolation.lateral.config import LateralConfig

_EDGE_CHANCE = 0.1
"""How often the outer rows of one side repeat, as they do at the ends of a stack."""
_GAIN = 1.25
"""Largest random change of contrast, and its inverse."""


@dataclass(frozen=True, kw_only=True)
class RowBatch:
    """Examples of equal row length."""

    rows: Tensor
    """Kept rows (batch, 2·reach, X)."""
    gap_px: Tensor
    """Distance (batch,) between kept rows."""
    phases: Tensor
    """Phases (batch, phases) of the hidden rows."""
    hidden: Tensor
    """The hidden rows (batch, phases, X)."""

    def to(self, device: torch.device) -> RowBatch:
        """Move the examples to another device."""
        names = [field.name for field in dataclasses.fields(self)]
        if device.type != "cuda":
            return RowBatch(**{name: getattr(self, name).to(device) for name in names})
        # From pinned memory, so that a GPU fetches them when it comes to them and is not waited for.
        return RowBatch(**{name: getattr(self, name).pin_memory().to(device, non_blocking=True) for name in names})

    def pieces(self, size: int) -> list[RowBatch]:
        """Cut into batches of at most ``size`` examples each."""
        names = [field.name for field in dataclasses.fields(self)]
        columns = zip(*(torch.split(getattr(self, name), size) for name in names), strict=True)
        return [RowBatch(**dict(zip(names, column, strict=True))) for column in columns]


def draw_batch(
    sections: FloatArray, gaps: tuple[float, float], *, config: LateralConfig, rng: np.random.Generator
) -> RowBatch:
    """Draw random examples from ``sections`` (n, Y, X), gaps of ``gaps[0]``..``gaps[1]`` px apart along y or x.

    Rows always lie on pixels; gaps that are not whole alternate between the whole ones next to them: sampling between
    pixels would blur, and a blurred row would reveal where it was sampled.
    """
    stack = sections.transpose(0, 2, 1) if rng.random() < 0.5 else sections
    n_sections, n_rows, length = stack.shape
    size = config.batch_rows
    section = rng.integers(n_sections, size=size)
    positions, gap = _kept_rows(n_rows, gaps, config=config, rng=rng)
    lower = positions[:, config.reach - 1, None]
    offset = 1 + np.floor(rng.random((size, config.batch_phases)) * (gap[:, None] - 1)).astype(np.intp)
    start = int(rng.integers(length - min(config.window_px, length) + 1))
    window = slice(start, start + config.window_px)
    gain = np.float32(_GAIN ** rng.uniform(-1, 1))
    rows = gain * stack[section[:, None], positions, window]
    hidden = gain * stack[section[:, None], lower + offset, window]
    phases = offset / gap[:, None]
    if rng.random() < 0.5:
        rows, phases = rows[:, ::-1], 1 - phases
    if rng.random() < 0.5:
        rows, hidden = rows[..., ::-1], hidden[..., ::-1]
    return RowBatch(rows=_tensor(rows), gap_px=_tensor(gap), phases=_tensor(phases), hidden=_tensor(hidden))


def _kept_rows(
    n_rows: int, gaps: tuple[float, float], *, config: LateralConfig, rng: np.random.Generator
) -> tuple[AnyArray, AnyArray]:
    """Draw positions (batch, 2·reach) of kept rows, repeated where the section ends, and the middle gap (batch,)."""
    size, reach = config.batch_rows, config.reach
    spacing = np.exp(rng.uniform(math.log(gaps[0]), math.log(gaps[1]), size))
    gap = np.maximum(np.rint(spacing + rng.uniform(-0.5, 0.5, size) * (spacing % 1 > 0)), 2).astype(np.intp)
    gap = np.minimum(gap, n_rows - 1)
    lower = np.floor(rng.random(size) * (n_rows - gap)).astype(np.intp)
    steps = np.arange(1 - reach, reach + 1)
    positions = lower[:, None] + np.rint(steps * spacing[:, None]).astype(np.intp)
    positions[:, reach] = lower + gap
    outside = (positions < 0) | (positions >= n_rows)
    outside |= (steps < 0) & (rng.random(size) < _EDGE_CHANCE)[:, None]
    outside |= (steps > 1) & (rng.random(size) < _EDGE_CHANCE)[:, None]
    for k in range(reach - 2, -1, -1):
        positions[:, k] = np.where(outside[:, k], positions[:, k + 1], positions[:, k])
    for k in range(reach + 1, 2 * reach):
        positions[:, k] = np.where(outside[:, k], positions[:, k - 1], positions[:, k])
    return positions, gap


def _tensor(values: AnyArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
