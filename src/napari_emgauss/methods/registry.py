"""Registry of the methods, and model files of any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_emgauss.errors import ConfigError, ModelFileError
from napari_emgauss.io.container import Container
from napari_emgauss.methods.emgauss.method import Emgauss
from napari_emgauss.methods.gem.method import Gem
from napari_emgauss.methods.protocol import Method
from napari_emgauss.methods.svr.method import Svr

METHODS: dict[str, Method] = {own.name: own for own in (Emgauss(), Svr(), Gem())}
"""Methods by name."""


def method_named(name: str) -> Method:
    """Return the method of that name; raises `ConfigError`."""
    if name not in METHODS:
        raise ConfigError(f"method must be one of {', '.join(METHODS)}, got {name!r}.")
    return METHODS[name]


def load(path: str | Path) -> Any:
    """Read a model file.

    Returns
    -------
    What the method made that the file names, like a `Reconstruction`; large parts are read when they are used.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        The file is truncated, foreign, oversized or inconsistent; a ``ValueError``.
    """
    container = Container(path)
    if container.method not in METHODS:
        known = ", ".join(METHODS)
        raise ModelFileError(
            f"{container.path} is a model of method {container.method!r}; this program has {known}. "
            "Update napari-emgauss."
        )
    return METHODS[container.method].load(container)
