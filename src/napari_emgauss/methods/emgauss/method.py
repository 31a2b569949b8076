"""EMGauss as one of the program's methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_emgauss.io.container import Container
from napari_emgauss.methods.emgauss import file, setup, train
from napari_emgauss.methods.emgauss.draft import Draft
from napari_emgauss.methods.emgauss.reconstruction import METHOD, Reconstruction
from napari_emgauss.training import Control, Event, RunConfig
from napari_emgauss.volume import Volume


class Emgauss:
    """2D Gaussians that deform continuously along z; see `Method`."""

    name = METHOD

    def prepare(self, inputs: Volume, **settings: Any) -> setup.Setup:
        """Check a stack and its settings."""
        return setup.prepare(inputs, **settings)

    def train(
        self,
        prepared: setup.Setup,
        *,
        on_event: Callable[[Event], None] | None = None,
        on_draft: Callable[[Draft], None] | None = None,
        control: Control | None = None,
        checkpoint: str | Path | None = None,
        run_config: RunConfig | None = None,
    ) -> Reconstruction:
        """Train on a prepared stack."""
        return train.train(
            prepared,
            on_event=on_event,
            on_draft=on_draft,
            control=control,
            checkpoint=checkpoint,
            run_config=run_config,
        )

    def load(self, container: Container) -> Reconstruction:
        """Return the reconstruction in a model file."""
        return file.load(container)
