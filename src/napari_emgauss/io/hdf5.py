"""HDF5 files: a named 3D dataset or the only one, read on demand."""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_emgauss._types import AnyArray, ArrayLike3D, Triple
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.guard import (
    HARMLESS_BYTES,
    LARGEST_RATIO,
    InputFiles,
    array_bytes,
    check_decoded_size,
    check_fits_memory,
    foreign_errors,
)
from napari_emgauss.io.source import LazyStack, Source
from napari_emgauss.io.voxel_size import UNKNOWN, PartialTriple
from napari_emgauss.units import length_nm

_MAX_LISTED, _MAX_SHOWN = 10, 50
"""Datasets that are named in errors, and characters of their names."""
_MAX_SEEN, _MAX_NAME = 2**14, 2**13
"""Groups and datasets that are looked at to find the only stack, and characters of their names."""
_PACKING = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF, h5py.h5z.FILTER_SZIP)


def open_hdf5(path: Path, *, dataset: str | None = None) -> Source:
    """Describe the stack in an HDF5 file; ``dataset`` names it where there are several."""
    with foreign_errors(path, "HDF5"), h5py.File(path, "r") as file:
        name = dataset.strip("/") if dataset is not None else _only_stack(file, path)
        node = _follow(file, name, path)
        if node.is_virtual or node.external:
            raise FileFormatError(
                f"the dataset {name!r} of {path.name} keeps its values in other files, which are not opened "
                "on its say-so. Copy it into one file (h5repack, or h5py: out['data'] = file[name][:])."
            )
        if node.dtype.kind not in "iufb":
            raise VolumeError(f"the dataset {name!r} of {path.name} has type {node.dtype}; expected grey levels.")
        kept = [axis for axis, n in enumerate(node.shape) if n != 1] if node.ndim > 3 else list(range(node.ndim))
        shape = tuple(int(node.shape[axis]) for axis in kept)
        dtype, chunks, full = node.dtype, node.chunks, tuple(node.shape)
        depth = int(chunks[kept[0]]) if chunks and kept else 1
        found, origin = _voxel_size(node), _origin(node)
        if chunks:
            check_fits_memory(path, array_bytes(chunks, dtype.itemsize), what="one chunk")

    files = InputFiles(path, [path])

    def load() -> ArrayLike3D:
        def fetch(*key: slice) -> AnyArray:
            index: list[int | slice] = [0] * len(full)
            for axis, part in zip(kept, key, strict=True):
                index[axis] = part
            # Opened for each read: no handle is left open, and it costs about a millisecond.
            with h5py.File(path, "r") as file:
                node = _follow(file, name, path)
                _check_chunks(node, index)
                return np.asarray(node[tuple(index)])

        return LazyStack(
            fetch, shape=shape, stored_dtype=dtype, path=path, kind="HDF5", files=files, sections_per_read=depth
        )

    metadata = {"format": "HDF5", "dataset": name}
    return Source(shape=shape, dtype=dtype, load=load, found_nm=found, origin_nm=origin, metadata=metadata)


def _only_stack(file: Any, path: Path) -> str:
    stacks = {n: shape for n, (shape, kind) in _datasets(file, path).items() if len(shape) == 3 and kind in "iufb"}
    names = list(stacks)
    if len(names) == 1:
        return names[0]
    if not names:
        raise VolumeError(f"{path.name} holds no 3D dataset of its own; name one with dataset=... (--dataset).")
    listed = ", ".join(f"{_short(n)} {stacks[n]}" for n in names[:_MAX_LISTED])
    raise VolumeError(
        f"{path.name} holds {len(names)} 3D datasets: {listed}{', …' if names[_MAX_LISTED:] else ''}. "
        f"Name one: dataset={_short(names[0])} (--dataset {_short(names[0])})."
    )


def _datasets(file: Any, path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return the datasets of a file, reached over hard links, with shape and kind of type; each object once.

    Groups are opened from their parents: h5py's own visit goes to each from the top, and takes minutes in a deep tree.
    """
    found = dict[str, tuple[tuple[int, ...], str]]()
    left, seen = [("", file)], {_address(file)}
    while left:
        prefix, group = left.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            node = group[name]
            if _address(node) in seen:
                continue
            seen.add(_address(node))
            if len(seen) > _MAX_SEEN or len(prefix) > _MAX_NAME:
                raise VolumeError(
                    f"{path.name} holds more than {_MAX_SEEN} groups and datasets, or names of more than {_MAX_NAME} "
                    "characters. Name the one to read: dataset=... (--dataset)."
                )
            if isinstance(node, h5py.Dataset) and node.shape is not None:
                found[prefix + name] = node.shape, node.dtype.kind
            elif isinstance(node, h5py.Group):
                left.append((f"{prefix}{name}/", node))
    return dict(sorted(found.items()))


def _short(name: str) -> str:
    return repr(name) if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]!r}…"


def _address(node: Any) -> tuple[int, int]:
    about = h5py.h5o.get_info(node.id)
    return about.fileno, about.addr


def _follow(file: Any, name: str, path: Path) -> Any:
    """Find the dataset ``name`` over hard links only: soft and external links can lead out of the file."""
    node = file
    for part in name.split("/"):
        if not isinstance(node, h5py.Group) or part not in node.keys():  # noqa: SIM118
            held = ", ".join(map(_short, list(_datasets(file, path))[:_MAX_LISTED])) or "none"
            raise VolumeError(f"{path.name} has no dataset {_short(name)}; it holds {held}. Name one of them.")
        link = node.get(part, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise FileFormatError(
                f"{name!r} in {path.name} is reached over a link ({type(link).__name__}), which is not followed. "
                "Name the dataset it points to, in the file that holds it."
            )
        node = node[part]
    if not isinstance(node, h5py.Dataset):
        raise VolumeError(f"{name!r} in {path.name} is a group; name a dataset inside it.")
    return node


def _check_chunks(node: Any, index: list[int | slice]) -> None:
    """Raise ``ValueError`` if a chunk that is touched unpacks to more than it should."""
    if node.chunks is None or node.compression not in LARGEST_RATIO or not node.id.get_num_chunks():
        return
    packing = node.id.get_create_plist()
    kinds = [packing.get_filter(index)[0] for index in range(packing.get_nfilters())]
    if sum(kind in _PACKING for kind in kinds) > 1:
        raise ValueError("it is packed more than once, which is not accepted")
    at_most = 2 * array_bytes(node.chunks, node.dtype.itemsize)
    spans = [(i, i + 1) if isinstance(i, int) else (i.start, i.stop) for i in index]
    touched = [range(a // n * n, b, n) for (a, b), n in zip(spans, node.chunks, strict=True)]
    for place in product(*touched):
        stored = node.id.get_chunk_info_by_coord(place)
        if stored.byte_offset is not None and stored.size * LARGEST_RATIO[node.compression] > max(
            at_most, HARMLESS_BYTES
        ):
            packed = io.BytesIO(node.id.read_direct_chunk(place)[1])
            check_decoded_size(packed, stored.size, node.compression, at_most=at_most)


def _numbers(node: Any, name: str) -> tuple[float, float, float] | None:
    try:
        z, y, x = (float(v) for v in np.asarray(node.attrs[name]).ravel()[:4])
    except (KeyError, TypeError, ValueError, OSError):
        return None
    return z, y, x


def _voxel_size(node: Any) -> PartialTriple:
    """Read ``element_size_um`` (ilastik, Fiji's HDF5 plugin) or ``resolution`` in nm (CREMI), both z, y, x."""
    for name, unit in (("element_size_um", "µm"), ("resolution", "nm")):
        values = _numbers(node, name)
        if values is not None:
            z, y, x = (length_nm(v, unit) for v in values)
            return z, y, x
    return UNKNOWN


def _origin(node: Any) -> Triple:
    """Read CREMI's ``offset`` in nm, used only beside its ``resolution``."""
    offset = _numbers(node, "offset") if _numbers(node, "resolution") is not None else None
    return offset if offset is not None and np.isfinite(offset).all() else (0.0, 0.0, 0.0)
