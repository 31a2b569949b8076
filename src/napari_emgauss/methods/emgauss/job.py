"""Job of EMGauss: an objective per block of a stack that was examined and studied."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.blocks import Block
from napari_emgauss.forward import SectionModel
from napari_emgauss.interpolation.mixture import Stack
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.interpolation.prior import Contrast, PriorInterpolator, load_prior
from napari_emgauss.methods.emgauss.model import (
    MemoryModels,
    Models,
    StoredModels,
    build_model,
    model_from_state,
    model_values,
    rounded,
)
from napari_emgauss.methods.emgauss.objective import SectionObjective, SectionTarget
from napari_emgauss.methods.emgauss.schedule import density_rules, sections_per_step, solved_per_step
from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.methods.emgauss.study.spacing import with_denser_gaussians
from napari_emgauss.training import BlockTrainer, Store, Watch, model_of

MARGIN_PX = 32
"""What is read around a tile so that its teacher's predictions do not depend on where it was cut."""


KEEPING = "keeping"
"""Stage in which what a stop left untrained is made in short."""
STOPPING_ITERATIONS, STOPPING_S = 3, 20.0
"""Iterations per observed and pseudo-section that untrained blocks get after a stop, and time for all of them."""


@dataclass(frozen=True)
class EmgaussJob:
    """The blocks of a stack, ready to be trained.

    Parameters
    ----------
    setup
        The stack as it is trained on, with its settings.
    study
        What was found on it.
    watch
        Pause, stop and progress while the teacher predicts.
    """

    setup: Setup
    study: Study
    watch: Watch | None = None

    opener: ClassVar[str] = "napari_emgauss.methods.emgauss.shared.opening:open_job"
    """What opens it in other processes."""

    @classmethod
    def of(cls, setup: Setup, study: Study, watch: Watch | None = None) -> EmgaussJob:
        """Return the job with Gaussians as dense as the study asks for, and bundles short enough for them."""
        if study.spacing_px is None:
            return cls(setup, study, watch)
        config = with_denser_gaussians(setup.config, study.spacing_px)
        return cls(replace(setup, config=config), study, watch)

    @cached_property
    def blocks(self) -> list[Block]:
        """All blocks."""
        return self.setup.plan.blocks

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    def iterations(self, block: int) -> int:
        """Return the iterations of a block's schedule."""
        return self.setup.schedule(self.blocks[block]).total

    def nearest(self, blocks: Sequence[int], position: tuple[float, ...] | None) -> int:
        """Return the block nearest to ``position`` (z, or z, y, x), a section coordinate and pixels."""
        return blocks[0] if position is None else min(blocks, key=lambda block: self._distance_px(block, position))

    def _distance_px(self, block: int, position: tuple[float, ...]) -> float:
        """From a position to the box of a block; 0 inside."""
        indices, (y0, y1, x0, x1) = (
            self.setup.sections_of(self.blocks[block]),
            self.setup.plan.region(self.blocks[block]),
        )
        ends = ((indices[0], indices[-1]), (y0, y1), (x0, x1))
        beyond = [max(low - p, p - high, 0.0) for p, (low, high) in zip(position, ends, strict=False)]
        return math.hypot(beyond[0] * self.setup.volume.factor, *beyond[1:])

    def build(self, block: int) -> SectionObjective:
        """Build the objective of a block; the same at every call."""
        setup, piece = self.setup, self.blocks[block]
        indices, region = setup.sections_of(piece), setup.plan.region(piece)
        held_out = [i for i in setup.config.sections.hold_out if indices[0] < i < indices[-1]]
        z, sections, weights, flows = self._with_pseudo_sections(indices, piece)
        if setup.start is None:
            rng = np.random.default_rng((setup.seed, block))
            model = build_model(setup.config, z, sections, rng, flows=flows).to(setup.device)
        else:
            model = copy.deepcopy(setup.start.models[block]).to(setup.device).requires_grad_(requires_grad=True)
        y0, y1, x0, x1 = region
        return SectionObjective(
            setup.config,
            model,
            self._targets(z, sections, weights),
            held_out=self._targets([float(i) for i in held_out], setup.read(held_out, region)),
            to_unit=setup.to_unit,
            density=density_rules(setup.config, (y1 - y0) * (x1 - x0)),
            at_once=sections_per_step(setup.config, setup.device.type),
            solved_at_once=solved_per_step((y1 - y0) * (x1 - x0), setup.device.type),
            restore=setup.scaling.restore,
            origin_px=(y0, x0),
            seed=setup.seed + block,
        )

    def models(self, store: Store, *, in_memory: bool = True) -> Models:
        """Return the models of all blocks, rounded; those that a stop left untrained are made in a short time.

        Where not all are to be in memory, they are read from the store when they are asked for.
        """
        blocks, config = range(self.n_blocks), self.setup.config
        left = [block for block in blocks if not self._is_kept(block, store)]
        if in_memory or left:
            return MemoryModels(rounded(self._model(block, store, left), config) for block in blocks)

        def read(block: int) -> SectionModel:
            return rounded(self.trained_model(block, store), config)

        counts, values = [], []
        for block in blocks:
            model = read(block)
            counts.append(len(model.gaussians))
            values.append(model_values(model))
        return StoredModels(read, counts, values)

    def _is_kept(self, block: int, store: Store) -> bool:
        """Whether a block was trained, or further than it is in short time."""
        if store.is_done(block):
            return True
        state = store.load_state(block)
        has_start = self.setup.start is not None
        return state is not None and (has_start or int(state[1]["iteration"]) >= self._short_iterations(block))

    def _short_iterations(self, block: int) -> int:
        per_section = self.setup.config.model.iterations_per_section
        return STOPPING_ITERATIONS * self.setup.n_anchors(self.blocks[block]) if per_section else 0

    def trained_model(self, block: int, store: Store) -> SectionModel:
        """Return the model of a block that was trained, not rounded yet."""
        return self._model(block, store, ())

    def _model(self, block: int, store: Store, left: Sequence[int]) -> SectionModel:
        if block in left:
            if self.watch is not None:
                self.watch.tell(KEEPING, left.index(block) + 1, len(left))
            return self._in_short(block, STOPPING_S / len(left)).cpu().requires_grad_(requires_grad=False)
        kept = store.load_done(block)
        if kept is None and (state := store.load_state(block)) is not None:
            kept = model_of(state)
        assert kept is not None
        model = model_from_state(self.setup.config, self.setup.block_shape(self.blocks[block]), *kept)
        store.release(block)
        return model

    def _in_short(self, block: int, seconds: float) -> SectionModel:
        """The model of a block that a stop left untrained: Gaussians on a draft of its gaps, trained for ``seconds``.

        They are those of the sections alone, untrained, where a stop is to take no time.
        """
        setup, piece = self.setup, self.blocks[block]
        if setup.start is not None:
            return copy.deepcopy(setup.start.models[block])
        indices, now = setup.sections_of(piece), self.watch is not None and self.watch.stopped_at_once
        z, sections = [float(i) for i in indices], setup.read(indices, setup.plan.region(piece), denoise=True)
        if setup.n_pseudo and not now:
            z, sections = _interleaved(z, sections, self._drafted(len(indices), piece))
        rng = np.random.default_rng((setup.seed, block))
        model = build_model(setup.config, z, sections, rng, at_rest=True).to(setup.device)
        if now:
            return model
        targets, restore = self._targets(z, sections), setup.scaling.restore
        trainer = BlockTrainer(SectionObjective(setup.config, model, targets, restore=restore, seed=setup.seed))
        end = time.monotonic() + seconds
        while trainer.iteration < self._short_iterations(block) and time.monotonic() < end and not trainer.done:
            trainer.step()
        return model

    def _drafted(self, n_sections: int, block: Block) -> FloatArray:
        """Pseudo-sections (gaps, n_pseudo, Y, X) by the prior from a single view, or by plain interpolation."""
        stack, (gaps, rows, columns) = self._around(n_sections, block)
        if self.setup.config.teacher.prior:
            contrast = Contrast.of(stack.sections)
            network = load_prior(self.setup.device)
            source: PriorInterpolator | Interpolator = PriorInterpolator(
                stack.sections, stack.factor, z=stack.z, contrast=contrast, network=network
            )
        else:
            source = Interpolator(stack.sections, "flow")
        shares = (np.arange(self.setup.n_pseudo) + 1) / (self.setup.n_pseudo + 1)
        positions = range(len(stack.sections))[gaps]
        return np.stack([[source.section(gap + float(t))[rows, columns] for t in shares] for gap in positions])

    def _with_pseudo_sections(
        self, indices: list[int], block: Block
    ) -> tuple[list[float], FloatArray, list[FloatArray | None], npt.NDArray[np.float16] | None]:
        """Coordinates and images of a block's sections, with the teacher's between them; weights of pixels; flows."""
        sections = self.setup.read(indices, self.setup.plan.region(block), denoise=True)
        z = [float(i) for i in indices]
        n_pseudo = 0 if self.study.teacher is None else self.setup.n_pseudo
        if not n_pseudo:
            return z, sections, [None] * len(z), None
        stack, (gaps, rows, columns) = self._around(len(indices), block)
        assert self.study.teacher is not None
        taught = self.study.teacher.between(stack, n_pseudo, self.watch)
        inside = (gaps, slice(None), rows, columns)
        weights = [weight for gap in taught.confidence[inside] for weight in (None, *gap)]
        return *_interleaved(z, sections, taught.images[inside]), [*weights, None], taught.flows[inside]

    def _around(self, n_sections: int, block: Block) -> tuple[Stack, tuple[slice, slice, slice]]:
        """The sections of a block with its neighbours on all sides, and where its gaps, rows and columns are in it."""
        setup = self.setup
        start, stop = setup.plan.z[block.z]
        first, last = max(start - 1, 0), min(stop + 1, len(setup.observed))
        y0, y1, x0, x1 = setup.plan.region(block)
        height, width = setup.volume.shape[1:]
        top, left = max(y0 - MARGIN_PX, 0), max(x0 - MARGIN_PX, 0)
        around = (top, min(y1 + MARGIN_PX, height), left, min(x1 + MARGIN_PX, width))
        indices = setup.observed[first:last]
        stack = Stack(setup.read(indices, around), setup.volume.factor, [float(i) for i in indices])
        gaps = slice(start - first, start - first + n_sections - 1)
        return stack, (gaps, slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))

    def _targets(
        self, coordinates: list[float], sections: FloatArray, weights: Sequence[FloatArray | None] | None = None
    ) -> list[SectionTarget]:
        def tensor(image: FloatArray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(image)).to(self.setup.device)

        weights = weights or [None] * len(coordinates)
        return [
            SectionTarget(z, tensor(section), None if weight is None else tensor(weight), predicted=weight is not None)
            for z, section, weight in zip(coordinates, sections, weights, strict=True)
        ]


def _interleaved(z: list[float], sections: FloatArray, between: FloatArray) -> tuple[list[float], FloatArray]:
    """Coordinates and images of sections with ``between`` (gaps, n, Y, X), evenly spaced, in their gaps."""
    shares = np.arange(between.shape[1] + 1) / (between.shape[1] + 1)
    all_z = [below + float(t) * (above - below) for below, above in pairwise(z) for t in shares]
    images = [np.concatenate([sections[gap : gap + 1], between[gap]]) for gap in range(len(between))]
    return [*all_z, z[-1]], np.concatenate([*images, sections[-1:]])
