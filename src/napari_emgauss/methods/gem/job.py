"""Job of GEM: the two halves of the particles are its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_emgauss.methods.gem.draft import DraftUpdate, MapDraft
from napari_emgauss.methods.gem.model import HalfModel, model_from_state
from napari_emgauss.methods.gem.objective import MapObjective, gem_schedule
from napari_emgauss.methods.gem.start import start_model
from napari_emgauss.methods.gem.study import ParticleStudy
from napari_emgauss.training import Store, model_of


@dataclass(frozen=True, eq=False)
class GemJob:
    """Both halves, ready to be trained; neither reads an image of the other but to know when to stop.

    Parameters
    ----------
    found
        What the images say.
    positive
        Whether all densities are positive.
    share
        Part of the number of Gaussians that filled voxels ask for.
    draft
        Gets what is learned, step by step.
    """

    found: ParticleStudy
    positive: bool
    share: float = 1.0
    draft: MapDraft | None = None

    n_blocks = 2

    def iterations(self, block: int) -> int:
        """Return the iterations of a half's schedule, of which it may need fewer."""
        setup = self.found.setup
        return gem_schedule(setup.config, len(setup.halves[block])).total

    def nearest(self, blocks: Sequence[int], position: tuple[float, ...] | None) -> int:
        """Return the first: both halves are everywhere."""
        return blocks[0]

    def build(self, block: int) -> MapObjective:
        """Build the objective of a half; the same at every call."""
        found, setup = self.found, self.found.setup
        model = self.start(block)
        objective = MapObjective(
            setup.config,
            model,
            particles=setup.particles,
            indices=setup.halves[block],
            weights=found.weights,
            posterior=found.posterior(block),
            target=found.targets[block],
            others=found.equations[1 - block],
            seed=setup.seed + block,
        )
        if self.draft is not None:
            objective.hooks.append(DraftUpdate(self.draft, block, model))
        return objective

    def start(self, block: int) -> HalfModel:
        """Return the model that a half begins with; each has a seed of its own."""
        found, setup = self.found, self.found.setup
        return start_model(
            setup.config,
            found.targets[block],
            found.mask,
            found.posterior(block),
            setup.operators,
            np.random.default_rng((setup.seed, block)),
            positive=self.positive,
            share=self.share,
        )

    def model(self, block: int, store: Store) -> HalfModel:
        """Return the model of a half as far as it was trained."""
        kept = store.load_done(block)
        if kept is None and (state := store.load_state(block)) is not None:
            kept = model_of(state)
        model = self.start(block) if kept is None else model_from_state(*kept, self.found.setup.operators)
        store.release(block)
        return model.requires_grad_(requires_grad=False)
