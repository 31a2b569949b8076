"""Estimate of a whole training: time, memory, size of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from napari_emgauss._types import Region
from napari_emgauss.blocks import Block
from napari_emgauss.interpolation.mixture.evidence import HIDDEN, N_EXAMPLES, NEAR, NEAR_PX
from napari_emgauss.methods.emgauss.estimate.cost import Cost
from napari_emgauss.methods.emgauss.estimate.pieces import pieces_of
from napari_emgauss.methods.emgauss.estimate.trials import (
    BETWEEN,
    BUILD,
    HIDE,
    REDRAW,
    UNCERTAINTY,
    examination_seconds,
    learning,
    trials,
)
from napari_emgauss.methods.emgauss.job import MARGIN_PX
from napari_emgauss.methods.emgauss.memory import (
    PACKED_BYTES,
    PARAMETERS_BYTES,
    n_gaussians_at_most,
    process_peak_bytes,
)
from napari_emgauss.methods.emgauss.setup import Setup, prepare
from napari_emgauss.methods.emgauss.study.places import studied_shape
from napari_emgauss.volume import Volume


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Costs of a training that was not run."""

    seconds: float
    """Duration from the first look at the sections to the model, extrapolated from pieces of the stack."""
    memory_bytes: int
    """What the process will take at its peak: what it takes now, and what training adds by count."""
    block_bytes: int
    """What a process takes that trains one block after the other and keeps none of their models."""
    model_bytes: int
    """About the size of the model's file."""
    folder_bytes: int
    """What a folder of checkpoints holds at the end of the training: the same before it is packed."""
    n_iterations: int
    """Iterations of all blocks."""
    n_blocks: int
    """Blocks: bundles of sections times tiles."""
    device: str
    """Device that was tried."""


def estimate(
    volume: Volume,
    *,
    preset: str = "balanced",
    device: str = "auto",
    stop: Callable[[], bool] = lambda: False,
    **overrides: Any,
) -> Estimate | None:
    """Try a few moments of each part of a training on pieces of the stack.

    Parameters
    ----------
    volume, preset, device, **overrides
        As for `reconstruct`.
    stop
        Asked between trials; after True nothing is estimated.

    Returns
    -------
    None when stopped.

    Raises
    ------
    VolumeError, ConfigError, BackendUnavailableError
        What `reconstruct` would raise.
    """
    setup = prepare(volume, preset=preset, device=device, **overrides)
    with setup.computing():
        seconds = _seconds(setup, stop)
    if seconds is None or stop():
        return None
    return Estimate(
        seconds=seconds,
        memory_bytes=process_peak_bytes(setup),
        block_bytes=process_peak_bytes(setup, keeps_models=False),
        model_bytes=round(PACKED_BYTES * n_gaussians_at_most(setup)),
        folder_bytes=PARAMETERS_BYTES * n_gaussians_at_most(setup),
        n_iterations=setup.n_iterations,
        n_blocks=len(setup.plan.blocks),
        device=str(setup.device),
    )


def _seconds(setup: Setup, stop: Callable[[], bool]) -> float | None:
    """Seconds of the whole training; None when stopped."""
    learned, learning_s = learning(setup, stop)
    small, large = pieces_of(setup)
    measured: dict[str, dict[int, float]] = {}
    for piece in (small, small, large):  # the first compiles or loads what the others time
        for name, seconds in trials(setup, learned, piece, stop):
            if stop():
                return None
            measured.setdefault(name, {})[piece.volume.shape[1] * piece.volume.shape[2]] = seconds
    costs = {name: Cost.through(points) for name, points in measured.items()}
    blocks = sum(n * _block_seconds(setup, block, costs) for block, n in setup.block_sizes.items())
    return blocks + _seconds_around_blocks(setup, costs) + examination_seconds(setup) + learning_s


def _block_seconds(setup: Setup, block: Block, costs: Mapping[str, Cost]) -> float:
    region = setup.plan.region(block)
    n_px = _n_px(region)
    iterating = sum(stage.iterations * costs[stage.name].seconds(n_px) for stage in setup.schedule(block).stages)
    building = (setup.n_anchors(block) - 1) * costs[BUILD].seconds(n_px)
    if BETWEEN not in costs:
        return building + iterating
    (start, stop), (height, width) = setup.plan.z[block.z], setup.volume.shape[1:]
    n_gaps = min(stop + 1, len(setup.observed)) - max(start - 1, 0) - 1
    y0, y1, x0, x1 = region
    around = (max(y0 - MARGIN_PX, 0), min(y1 + MARGIN_PX, height), max(x0 - MARGIN_PX, 0), min(x1 + MARGIN_PX, width))
    return building + iterating + n_gaps * costs[BETWEEN].seconds(_n_px(around))


def _seconds_around_blocks(setup: Setup, costs: Mapping[str, Cost]) -> float:
    """Seconds of what hidden sections tell before the blocks, and of the map of uncertainty after them."""
    n_studied, height, width = studied_shape(setup)
    n_hidden, studied_px = min(HIDDEN, n_studied - 2), height * width
    section_px = setup.volume.shape[1] * setup.volume.shape[2]
    n_near = NEAR * min(1.0, NEAR_PX**2 / studied_px)
    each = {
        HIDE: (n_hidden + n_near, studied_px),
        REDRAW: (min(N_EXAMPLES, n_hidden), studied_px),
        UNCERTAINTY: (len(setup.observed) - 1, section_px),
    }
    return sum(n * costs[name].seconds(n_px) for name, (n, n_px) in each.items() if name in costs)


def _n_px(region: Region) -> int:
    y0, y1, x0, x1 = region
    return (y1 - y0) * (x1 - x0)
