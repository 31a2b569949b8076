"""Contract between the program and a reconstruction method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from napari_emgauss.io.container import Container
from napari_emgauss.training import Control, Event, RunConfig


class Prepared(Protocol):
    """Checked inputs with their settings, before anything was learned."""

    @property
    def fingerprint(self) -> str:
        """Hash of inputs and settings, which a half-done training is known by."""
        ...


class Method(Protocol):
    """A reconstruction method.

    A session calls `prepare`, then `train` in a thread of its own; a model file is handed to the `load` of the method
    that its header names.
    """

    @property
    def name(self) -> str:
        """Name in model files, on the command line and in sessions."""
        ...

    def prepare(self, inputs: Any, **settings: Any) -> Prepared:
        """Check inputs and settings and return them; quick, nothing is learned.

        Raises
        ------
        VolumeError, ConfigError, BackendUnavailableError
            With the value received, the rule and the remedy.
        """
        ...

    def train(
        self,
        prepared: Any,
        *,
        on_event: Callable[[Event], None] | None = None,
        on_draft: Callable[[Any], None] | None = None,
        control: Control | None = None,
        checkpoint: str | Path | None = None,
        run_config: RunConfig | None = None,
    ) -> Any:
        """Learn and return the reconstruction; after a stop, as far as it came.

        Emits exactly one `Finished`, the last event, also when it raises. ``on_draft`` gets, before the first event,
        what can be drawn of the input while it is learned; every `Improved` says that this became better.
        """
        ...

    def load(self, container: Container) -> Any:
        """Return the reconstruction in a model file of this method.

        Raises
        ------
        ModelFileError
            The file is inconsistent.
        """
        ...
