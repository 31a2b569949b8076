"""Reconstruction from slices as one of the program's methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_emgauss.io.container import Container
from napari_emgauss.methods.svr import file, setup, train
from napari_emgauss.methods.svr.reconstruction import METHOD, SliceReconstruction
from napari_emgauss.slices import SliceStack
from napari_emgauss.training import Control, Event, RunConfig


class Svr:
    """3D Gaussians that slices cut, each slice moved; see `Method`."""

    name = METHOD

    def prepare(self, inputs: Sequence[SliceStack], **settings: Any) -> setup.SliceSetup:
        """Check stacks and their settings."""
        return setup.prepare(inputs, **settings)

    def train(
        self,
        prepared: setup.SliceSetup,
        *,
        on_event: Callable[[Event], None] | None = None,
        on_draft: Callable[[Any], None] | None = None,
        control: Control | None = None,
        checkpoint: str | Path | None = None,
        run_config: RunConfig | None = None,
    ) -> SliceReconstruction:
        """Train on prepared stacks; there is no draft, previews show the volume so far."""
        return train.train(prepared, on_event=on_event, control=control, checkpoint=checkpoint, run_config=run_config)

    def load(self, container: Container) -> SliceReconstruction:
        """Return the reconstruction in a model file."""
        return file.load(container)
