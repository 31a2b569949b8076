"""GEM as one of the program's methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_emgauss.io.container import Container
from napari_emgauss.methods.gem import file, setup, train
from napari_emgauss.methods.gem.reconstruction import METHOD, GaussianMap
from napari_emgauss.particles import Particles
from napari_emgauss.training import Control, Event, RunConfig


class Gem:
    """3D Gaussians whose projections are the particles of cryo-EM; see `Method`."""

    name = METHOD

    def prepare(self, inputs: Particles, **settings: Any) -> setup.GemSetup:
        """Check particles and settings."""
        return setup.prepare(inputs, **settings)

    def train(
        self,
        prepared: setup.GemSetup,
        *,
        on_event: Callable[[Event], None] | None = None,
        on_draft: Callable[[Any], None] | None = None,
        control: Control | None = None,
        checkpoint: str | Path | None = None,
        run_config: RunConfig | None = None,
    ) -> GaussianMap:
        """Train on prepared particles; the draft is a `MapDraft`."""
        return train.train(
            prepared,
            on_event=on_event,
            on_draft=on_draft,
            control=control,
            checkpoint=checkpoint,
            run_config=run_config,
        )

    def load(self, container: Container) -> GaussianMap:
        """Return the map in a model file."""
        return file.load(container)
