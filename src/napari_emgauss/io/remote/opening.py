"""OME-Zarr and N5 behind a URL, or N5 in a folder, as a stack that is read in windows."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, ArrayLike3D, Triple
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.guard import array_bytes, check_fits_memory, foreign_errors, json_object
from napari_emgauss.io.location import Url
from napari_emgauss.io.ome_zarr.attributes import KEY, axes_of, check_whole, geometry, multiscales, stack_axes
from napari_emgauss.io.remote.chunks import StoredChunks
from napari_emgauss.io.remote.n5 import ATTRIBUTES, finest_array, place_in_space
from napari_emgauss.io.remote.store import RemoteFolder
from napari_emgauss.io.source import LazyStack, Source
from napari_emgauss.io.voxel_size import PartialTriple


def open_remote(url: Url, *, dataset: str | None = None) -> Source:
    """Describe the finest level of an OME-Zarr 0.4 or 0.5, or a dataset of an N5.

    Parameters
    ----------
    url
        The image or container; of an N5, or an OME-Zarr within something larger, also the dataset itself.
    dataset
        What to append to it.

    Raises
    ------
    FileNotFoundError, PermissionError, ConnectionError
        There is nothing; it is not public; the server cannot be reached.
    FileFormatError, VolumeError, OutOfMemoryError
        As `napari_emgauss.read`.
    MissingLibraryError
        TensorStore is not installed.
    """
    folder = RemoteFolder(Url(f"{url.rstrip('/')}/{_inside(url, dataset)}" if dataset else url))
    known = folder.json("zarr.json")
    if known is not None:
        return _of_zarr(folder, json_object(known.get("attributes")))
    known = folder.json(".zattrs")
    if known is not None:
        return _of_zarr(folder, known)
    known = folder.json(ATTRIBUTES)
    if known is not None or folder.url.endswith(".n5"):
        return _of_n5(folder, known or {})
    finest = folder.json(f"s0/{ATTRIBUTES}")  # a group of N5 need not have attributes
    if finest is not None:
        return _of_n5(folder, {})
    raise folder.nothing_found("OME-Zarr or N5")


def _of_zarr(folder: RemoteFolder, attributes: dict[str, Any]) -> Source:
    url = folder.url
    with foreign_errors(url, "OME-Zarr"):
        check_whole(url, attributes)
        image = multiscales(url, attributes)
        level = image["datasets"][0]
        name = _inside(url, str(level["path"]))
        array = folder.array(name, "zarr" if folder.json(f"{name}/.zarray") is not None else "zarr3")
        axes = axes_of(image, url)
        if len(axes) != array.ndim:
            raise ValueError(f"{len(axes)} axes are declared for an array of shape {array.shape}")
        kept = stack_axes(axes, tuple(array.shape), url)
        found, origin = geometry(axes, kept, [level, image])
    own = json_object(json_object(attributes.get(KEY)).get("metadata"))
    return _source(folder, array, kept, found, origin, {**own, "format": "OME-Zarr"})


def _of_n5(folder: RemoteFolder, attributes: dict[str, Any]) -> Source:
    url = folder.url
    finest = None if "dimensions" in attributes else folder.json(f"s0/{ATTRIBUTES}")
    name = finest_array(url, attributes, finest)
    array = folder.array(name, "n5")
    if array.ndim != 3:
        raise VolumeError(f"{url} has {array.ndim} axes of lengths {array.shape}; expected x, y, z. Name another.")
    group = attributes
    if not name:
        parent = url.rpartition("/")[0]
        group = RemoteFolder(Url(parent)).json(ATTRIBUTES) or {} if parent.count("/") > 2 else {}
    found, origin = place_in_space(finest or attributes, group)
    return _source(folder, array, [2, 1, 0], found, origin, {"format": "N5"})


def _source(
    folder: RemoteFolder, array: Any, kept: list[int], found: PartialTriple, origin: Triple, metadata: dict[str, Any]
) -> Source:
    """Return the stack whose z, y and x are the axes ``kept`` of an array; others have one place."""
    url, dtype = folder.url, np.dtype(array.dtype.numpy_dtype)
    chunk = tuple(int(n) for n in array.chunk_layout.read_chunk.shape or array.shape)
    check_fits_memory(url, array_bytes(chunk, dtype.itemsize), what="one chunk")
    shape = tuple(int(array.shape[axis]) for axis in kept)
    chunks = StoredChunks(folder, array)

    def fetch(*key: slice) -> AnyArray:
        index: list[int | slice] = [0] * array.ndim
        for axis, part in zip(kept, key, strict=True):
            index[axis] = slice(part.start, part.stop)
        chunks.look_at(tuple(index))
        block = folder.read(array, tuple(index))
        chunks.check(tuple(index), block)
        if kept[0] > kept[-1]:
            block = block.T
        return block[tuple(slice(None, None, part.step) for part in key)]

    def load() -> ArrayLike3D:
        return LazyStack(
            fetch,
            shape=shape,
            stored_dtype=dtype,
            path=url,
            kind=str(metadata["format"]),
            sections_per_read=chunk[kept[0]],
        )

    told = {**metadata, **chunks.missing()}
    return Source(shape=shape, dtype=dtype, load=load, found_nm=found, origin_nm=origin, metadata=told)


def _inside(url: Url, name: str) -> str:
    """Return a name within the folder; anything else is not opened."""
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
        raise FileFormatError(f"{url} refers to {name!r}, which lies outside of it and is not opened.")
    return name.strip("/")
