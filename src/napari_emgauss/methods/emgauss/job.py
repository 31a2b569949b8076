"""Job of EMGauss: an objective per block of a stack that was examined and studied."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.blocks import Block
from napari_emgauss.forward import SectionModel
from napari_emgauss.interpolation.mixture import Stack
from napari_emgauss.methods.emgauss.model import MemoryModels, build_model, model_from_state, rounded
from napari_emgauss.methods.emgauss.objective import SectionObjective, SectionTarget
from napari_emgauss.methods.emgauss.schedule import density_rules, sections_per_step
from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.methods.emgauss.study.spacing import with_denser_gaussians
from napari_emgauss.training import Store, Watch, model_of

MARGIN_PX = 32
"""What is read around a tile so that its teacher's predictions do not depend on where it was cut."""


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

    def build(self, block: int) -> SectionObjective:
        """Build the objective of a block; the same at every call."""
        setup, piece = self.setup, self.blocks[block]
        indices, region = setup.sections_of(piece), setup.plan.region(piece)
        held_out = [i for i in setup.config.sections.hold_out if indices[0] < i < indices[-1]]
        z, sections, weights = self._with_pseudo_sections(indices, piece)
        if setup.start is None:
            rng = np.random.default_rng((setup.seed, block))
            model = build_model(setup.config, z, sections, rng).to(setup.device)
        else:
            model = copy.deepcopy(setup.start.models[block]).to(setup.device).requires_grad_(requires_grad=True)
        y0, y1, x0, x1 = region
        return SectionObjective(
            setup.config,
            model,
            self._targets(z, sections, weights),
            held_out=self._targets([float(i) for i in held_out], setup.read(held_out, region)),
            density=density_rules(setup.config, (y1 - y0) * (x1 - x0)),
            at_once=sections_per_step(setup.config, setup.device.type),
            restore=setup.scaling.restore,
            origin_px=(y0, x0),
            seed=setup.seed + block,
        )

    def models(self, store: Store) -> MemoryModels:
        """Return the models of all blocks as far as they were trained, rounded: the others are at their start."""
        return MemoryModels(rounded(self._model(block, store), self.setup.config) for block in range(self.n_blocks))

    def _model(self, block: int, store: Store) -> SectionModel:
        kept = store.load_done(block)
        if kept is None and (state := store.load_state(block)) is not None:
            kept = model_of(state)
        if kept is None:
            return self.build(block).model.cpu().requires_grad_(requires_grad=False)
        model = model_from_state(self.setup.config, self.setup.block_shape(self.blocks[block]), *kept)
        store.release(block)
        return model

    def _with_pseudo_sections(
        self, indices: list[int], block: Block
    ) -> tuple[list[float], FloatArray, list[FloatArray | None]]:
        """Coordinates and images of a block's sections, with the teacher's between them, and the weights of pixels."""
        sections = self.setup.read(indices, self.setup.plan.region(block), denoise=True)
        z = [float(i) for i in indices]
        n_pseudo = 0 if self.study.teacher is None else self.setup.n_pseudo
        if not n_pseudo:
            return z, sections, [None] * len(z)
        predicted, confidence = self._predictions(len(indices), block)
        shares = np.arange(n_pseudo + 1) / (n_pseudo + 1)
        all_z = [below + float(t) * (above - below) for below, above in pairwise(z) for t in shares]
        images = [np.concatenate([sections[gap : gap + 1], predicted[gap]]) for gap in range(len(predicted))]
        weights = [weight for gap in confidence for weight in (None, *gap)]
        return [*all_z, z[-1]], np.concatenate([*images, sections[-1:]]), [*weights, None]

    def _predictions(self, n_sections: int, block: Block) -> tuple[FloatArray, FloatArray]:
        """The teacher's pseudo-sections and their confidence (gaps, n_pseudo, Y, X).

        It sees the neighbours of the block too.
        """
        setup = self.setup
        assert self.study.teacher is not None
        start, stop = setup.plan.z[block.z]
        first, last = max(start - 1, 0), min(stop + 1, len(setup.observed))
        y0, y1, x0, x1 = setup.plan.region(block)
        height, width = setup.volume.shape[1:]
        top, left = max(y0 - MARGIN_PX, 0), max(x0 - MARGIN_PX, 0)
        around = (top, min(y1 + MARGIN_PX, height), left, min(x1 + MARGIN_PX, width))
        indices = setup.observed[first:last]
        stack = Stack(setup.read(indices, around), setup.volume.factor, [float(i) for i in indices])
        gaps = slice(start - first, start - first + n_sections - 1)
        inside = (gaps, slice(None), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        predicted, confidence = self.study.teacher.between(stack, setup.n_pseudo, self.watch)
        return predicted[inside], confidence[inside]

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
