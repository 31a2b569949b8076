"""Voxel sizes of layers that have none: what their file states, or what was typed for it before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QSettings

from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss._types import Triple
from napari_emgauss.io import read_voxel_size

GROUP = "voxel-size"


class KnownSizes:
    """Looks up what is known about a layer's file; napari's own readers drop what it states.

    Parameters
    ----------
    parent
        Widget with whose end it ends.
    settings
        Where sizes that were typed are remembered, by the file.
    """

    def __init__(self, parent: QObject, settings: Callable[[], QSettings]) -> None:
        self._worker = Worker(parent, name="emgauss-voxel-size", draws=False)
        self._settings = settings

    def look_up(self, layer: Any, found: Callable[[Triple], None]) -> None:
        """Have ``found`` called in the GUI thread with the voxel size in nm of the layer's file, if that is known."""
        self._worker.forget()
        path = _path_of(layer)
        if path is None:
            return
        typed = self._settings().value(f"{GROUP}/{_key(path)}")
        if typed:
            z, y, x = (float(size) for size in str(typed).split())
            found((z, y, x))
            return
        self._worker.submit_newest(
            lambda: _stated(path), done=lambda size: None if size is None else found(size), failed=lambda error: None
        )

    def remember(self, layer: Any, voxel_size_nm: Triple) -> None:
        """Remember a size that was typed for the layer's file."""
        path = _path_of(layer)
        if path is not None:
            self._settings().setValue(f"{GROUP}/{_key(path)}", " ".join(f"{size:.9g}" for size in voxel_size_nm))


def _stated(path: Path) -> Triple | None:
    try:
        z, y, x = read_voxel_size(path)
    except (OSError, ValueError):  # no stack, damaged, or of a format that only napari reads
        return None
    return (z, y, x) if z is not None and y is not None and x is not None else None


def _path_of(layer: Any) -> Path | None:
    path = getattr(layer.source, "path", None)
    return Path(path) if path and Path(path).exists() else None


def _key(path: Path) -> str:
    """Return the file's path as one key: a slash would begin a group."""
    return str(path.resolve()).replace("/", "|").replace("\\", "|")
