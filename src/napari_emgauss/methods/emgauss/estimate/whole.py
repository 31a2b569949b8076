"""Estimate of a whole training: time, memory, size of the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from napari_emgauss._types import Region
from napari_emgauss.blocks import Block
from napari_emgauss.interpolation.mixture.evidence import HIDDEN, N_EXAMPLES, NEAR, NEAR_PX, SAMPLE_PX
from napari_emgauss.methods.emgauss.estimate.cost import Cost
from napari_emgauss.methods.emgauss.estimate.pieces import pieces_of
from napari_emgauss.methods.emgauss.estimate.trials import (
    BETWEEN,
    BUILD,
    HIDE,
    REDRAW,
    STEADY,
    TEXTURE,
    UNCERTAINTY,
    examination_seconds,
    learning,
    trials,
)
from napari_emgauss.methods.emgauss.job import KEEPING, MARGIN_PX
from napari_emgauss.methods.emgauss.memory import (
    PACKED_BYTES,
    PARAMETERS_BYTES,
    n_gaussians_at_most,
    process_peak_bytes,
)
from napari_emgauss.methods.emgauss.setup import Setup, prepare
from napari_emgauss.methods.emgauss.study.places import studied_shape
from napari_emgauss.methods.emgauss.study.teacher import PREDICTING
from napari_emgauss.methods.emgauss.uncertainty import STAGE as MAPPING
from napari_emgauss.runtime.threads import usable_cores
from napari_emgauss.training import Progress
from napari_emgauss.volume import Volume

LAST = (MAPPING, KEEPING)
"""Stages after which nothing comes."""
VIEWER_CORES = 1.2
"""What a viewer that shows a training's pictures takes of the cores (docs/lab/anytime.md)."""
UNSURE = 0.2
"""Share of a training that takes as long as announced to our knowledge, however long what came before it took."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Costs of a training that was not run."""

    before_s: float
    """Duration of what comes before the blocks: the look at the sections, and what hidden ones tell. As all durations,
    extrapolated from pieces of the stack."""
    building_s: float
    """Of building all blocks, with what is predicted between their sections."""
    learning_s: float
    """Of all iterations."""
    after_s: float
    """Of the map of uncertainty, after the blocks."""
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

    @property
    def seconds(self) -> float:
        """Duration from the first look at the sections to the model."""
        return self.before_s + self.building_s + self.learning_s + self.after_s

    def beside_a_viewer(self) -> Estimate:
        """Return the costs where a viewer shows the training's pictures: it takes time of the same cores."""
        times = 1 + VIEWER_CORES / usable_cores() if self.device == "cpu" else 1.0
        durations = {name: times * getattr(self, name) for name in ("before_s", "building_s", "learning_s", "after_s")}
        return replace(self, **durations)

    def seconds_left(self, progress: Progress, spent_s: float) -> float:
        """Return the seconds that are left of the training, some time after its beginning.

        What is measured counts the more, the more of a part is done; what is to come is taken as it was announced, or
        longer, if what is done took longer.
        """
        if progress.stage in LAST:
            return progress.seconds_left
        share = min(1.0, (progress.n_iterations - progress.iteration) / max(self.n_iterations, 1))
        learning_s = share * self.learning_s
        if progress.stage == PREDICTING:
            now_s = progress.seconds_left
            to_come_s = max(0.0, share - 1 / self.n_blocks) * self.building_s + learning_s + self.after_s
        elif progress.of_stage:
            now_s = max(progress.seconds_left, self.before_s - spent_s)
            to_come_s = self.building_s + self.learning_s + self.after_s
        else:
            now_s = progress.seconds_left
            if now_s < learning_s:  # a section's first step is a small one
                now_s = learning_s + (1 - share) * (now_s - learning_s)
            to_come_s = (1 - (progress.block + 1) / progress.n_blocks) * self.building_s + self.after_s
        return now_s + self._slowness(spent_s + now_s, to_come_s) * to_come_s

    def _slowness(self, until_s: float, to_come_s: float) -> float:
        """Return how many times as long as announced what is ``to_come_s`` should take, at least 1.

        That is what the parts before took, which end after ``until_s``: the more sure, the more of the whole they are.
        """
        unsure_s = UNSURE * self.seconds
        return max(1.0, (until_s + unsure_s) / (self.seconds - to_come_s + unsure_s))


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
        durations = _durations(setup, stop)
    if durations is None or stop():
        return None
    return Estimate(
        **durations,
        memory_bytes=process_peak_bytes(setup),
        block_bytes=process_peak_bytes(setup, keeps_models=False),
        model_bytes=round(PACKED_BYTES * n_gaussians_at_most(setup)),
        folder_bytes=PARAMETERS_BYTES * n_gaussians_at_most(setup),
        n_iterations=setup.n_iterations,
        n_blocks=len(setup.plan.blocks),
        device=str(setup.device),
    )


def _durations(setup: Setup, stop: Callable[[], bool]) -> dict[str, float] | None:
    """Seconds of the parts of the training, by their names in `Estimate`; None when stopped."""
    learned, learning_s = learning(setup, stop)
    small, large = pieces_of(setup)
    measured: dict[str, dict[int, float]] = {}
    for piece in (small, small, large):  # the first compiles or loads what the others time
        for name, seconds in trials(setup, learned, piece, stop):
            if stop():
                return None
            measured.setdefault(name, {})[piece.volume.shape[1] * piece.volume.shape[2]] = seconds
    costs = {name: Cost.through(points) for name, points in measured.items()}
    sizes = setup.block_sizes.items()
    return {
        "before_s": examination_seconds(setup) + learning_s + _hiding_seconds(setup, costs),
        "building_s": sum(n * _building_seconds(setup, block, costs) for block, n in sizes),
        "learning_s": sum(n * _iterating_seconds(setup, block, costs) for block, n in sizes),
        "after_s": _mapping_seconds(setup, costs),
    }


def _building_seconds(setup: Setup, block: Block, costs: Mapping[str, Cost]) -> float:
    """Seconds to build a block, with what is predicted between its sections."""
    region = setup.plan.region(block)
    building = (setup.n_anchors(block) - 1) * costs[BUILD].seconds(_n_px(region))
    if BETWEEN not in costs:
        return building
    (start, stop), (height, width) = setup.plan.z[block.z], setup.volume.shape[1:]
    n_gaps = min(stop + 1, len(setup.observed)) - max(start - 1, 0) - 1
    y0, y1, x0, x1 = region
    around = (max(y0 - MARGIN_PX, 0), min(y1 + MARGIN_PX, height), max(x0 - MARGIN_PX, 0), min(x1 + MARGIN_PX, width))
    return building + n_gaps * costs[BETWEEN].seconds(_n_px(around))


def _iterating_seconds(setup: Setup, block: Block, costs: Mapping[str, Cost]) -> float:
    n_px = _n_px(setup.plan.region(block))
    return sum(stage.iterations * costs[stage.name].seconds(n_px) for stage in setup.schedule(block).stages)


def _hiding_seconds(setup: Setup, costs: Mapping[str, Cost]) -> float:
    """Seconds of what hidden sections tell before the blocks."""
    n_studied, height, width = studied_shape(setup)
    n_hidden, sides = min(HIDDEN, n_studied - 2), (height, width)
    each = (
        (HIDE, n_hidden, _n_px_within(sides)),
        (HIDE, min(NEAR, n_studied - 1), _n_px_within(sides, NEAR_PX)),
        (STEADY, max(n_hidden - 2, 0), _n_px_within(sides, SAMPLE_PX)),
        (TEXTURE, 1, _n_px_within(sides, SAMPLE_PX)),
        (REDRAW, min(N_EXAMPLES, n_hidden), _n_px_within(sides, SAMPLE_PX)),
    )
    return sum(n * costs[name].seconds(n_px) for name, n, n_px in each if name in costs)


def _mapping_seconds(setup: Setup, costs: Mapping[str, Cost]) -> float:
    """Seconds of the map of uncertainty after the blocks."""
    section_px = setup.volume.shape[1] * setup.volume.shape[2]
    return (len(setup.observed) - 1) * costs[UNCERTAINTY].seconds(section_px) if UNCERTAINTY in costs else 0.0


def _n_px_within(sides: tuple[int, int], at_most_px: float = math.inf) -> int:
    """Pixels of sections of which no more than the middle is looked at."""
    return int(math.prod(min(side, at_most_px) for side in sides))


def _n_px(region: Region) -> int:
    y0, y1, x0, x1 = region
    return (y1 - y0) * (x1 - x0)
