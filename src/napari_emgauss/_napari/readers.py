"""Readers: models as isotropic volumes drawn on demand, and volumes with their voxel sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_emgauss._napari.layers import LayerData, to_layer

Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_model_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader if ``path`` is one ``.emgauss`` model."""
    return _read_model if _single(path, (".emgauss",)) else None


def get_volume_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader if ``path`` is one MRC file or OME-Zarr folder."""
    return _read_volume if _single(path, (".mrc", ".rec", ".map", ".zarr")) else None


def _single(path: str | Sequence[str], suffixes: tuple[str, ...]) -> bool:
    return isinstance(path, str) and Path(path).suffix.lower() in suffixes


def _read_model(path: str | Sequence[str]) -> list[LayerData]:
    from napari_emgauss.methods.emgauss import load

    return [to_layer(load(str(path)).lazy(), Path(str(path)).stem)]


def _read_volume(path: str | Sequence[str]) -> list[LayerData]:
    from napari_emgauss.io import read

    name = Path(str(path)).name
    return [to_layer(read(str(path)), name.removesuffix(".zarr").removesuffix(".ome"))]
