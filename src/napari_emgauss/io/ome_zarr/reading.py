"""OME-Zarr folders, 0.4 and 0.5, sharded ones too, read on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import zarr
from zarr.storage import LocalStore

from napari_emgauss._types import AnyArray, ArrayLike3D
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.guard import MAX_METADATA_BYTES, check_fits_memory, foreign_errors, json_object
from napari_emgauss.io.ome_zarr.attributes import KEY, axes_of, check_whole, geometry, multiscales, stack_axes
from napari_emgauss.io.ome_zarr.chunk_files import ChunkFiles
from napari_emgauss.io.source import LazyStack, Source

# Codecs that only compress or reorder numbers. numcodecs also has "pickle", which runs code from the file.
_CODECS = frozenset(
    {"blosc", "zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "shuffle", "bitround", "delta", "fixedscaleoffset"}
    | {"quantize", "astype", "packbits", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3", "zfpy"}
    | {"pcodec", "bytes", "endian", "transpose", "sharding_indexed"}
)
_PACKING = frozenset({"blosc", "zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "zfpy", "pcodec"})


def is_zarr(path: Path) -> bool:
    """Return whether the folder ``path`` is, or claims to be, a zarr store."""
    names = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
    return path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in names)


def open_ome_zarr(path: Path) -> Source:
    """Describe the finest level of the first image of an OME-Zarr."""
    with foreign_errors(path, "OME-Zarr"):
        attributes = _attributes(path)
        check_whole(path, attributes)
        image = multiscales(path, attributes)
        dataset = image["datasets"][0]
        array, packing = _open_array(path, str(dataset["path"]))
        axes = axes_of(image, path)
        if len(axes) != array.ndim:
            raise ValueError(f"{len(axes)} axes are declared for an array of shape {array.shape}")
        kept = stack_axes(axes, array.shape, path)
        found, origin = geometry(axes, kept, [dataset, image])
        chunks = ChunkFiles(path, array, array.store.root, packing)
        check_fits_memory(path, chunks.n_bytes, what="one chunk")

    shape = tuple(int(array.shape[axis]) for axis in kept)

    def load() -> ArrayLike3D:
        def fetch(*key: slice) -> AnyArray:
            index: list[int | slice] = [0] * array.ndim
            for axis, part in zip(kept, key, strict=True):
                index[axis] = part
            return chunks.read(tuple(index))

        depth = int(array.chunks[kept[0]])
        return LazyStack(
            fetch,
            shape=shape,
            stored_dtype=array.dtype,
            path=path,
            kind="OME-Zarr",
            files=chunks.files,
            sections_per_read=depth,
        )

    own = json_object(attributes.get(KEY))
    return Source(
        shape=shape,
        dtype=np.dtype(array.dtype),
        load=load,
        found_nm=found,
        origin_nm=origin,
        metadata={**json_object(own.get("metadata")), "format": "OME-Zarr", **chunks.missing()},
    )


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_METADATA_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_METADATA_BYTES} bytes")
    return json_object(json.loads(path.read_bytes()))


def _attributes(path: Path) -> dict[str, Any]:
    if (path / "zarr.json").is_file():
        return json_object(_json(path / "zarr.json").get("attributes"))
    if (path / ".zattrs").is_file():
        return _json(path / ".zattrs")
    return {}


def _open_array(root: Path, name: str) -> tuple[Any, str | None]:
    """Open the array ``name`` below ``root``, checked to lie inside it and to use harmless codecs only.

    Returns
    -------
    The array, and the codec that packs its chunks, or their parts; None where none does.
    """
    relative = PurePosixPath(name)
    target = (root / name).resolve()
    outside = relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name
    if outside or not target.is_relative_to(root.resolve()):
        raise FileFormatError(f"{root} refers to {name!r}, which lies outside of it and is not opened.")
    zarr_format: Literal[2, 3] = 3 if (target / "zarr.json").is_file() else 2
    if zarr_format == 3:
        meta = _json(target / "zarr.json")
        pipelines = list(_pipelines(meta.get("codecs")))
    else:
        meta = _json(target / ".zarray")
        pipelines = [[c["id"] for c in [*(meta.get("filters") or []), meta.get("compressor")] if c is not None]]
    pipelines = [[str(c).removeprefix("numcodecs.") for c in pipeline] for pipeline in pipelines]
    unknown = [c for pipeline in pipelines for c in pipeline if c not in _CODECS]
    if unknown:
        raise FileFormatError(f"{root} uses the codecs {unknown}, which are not accepted. Save it with blosc or zstd.")
    packing = [c for pipeline in pipelines for c in pipeline if c in _PACKING]
    if len(packing) > 1:  # no bound for what it unpacks to
        raise FileFormatError(
            f"{root} is packed more than once ({pipelines}), which is not accepted. Save it packed once."
        )
    changed = [c for pipeline in pipelines for c in pipeline[_packed_at(pipeline) + 1 :] if c != "crc32c"]
    if changed:
        raise FileFormatError(f"{root} is changed after it is packed ({changed}), which is not accepted. Pack it last.")
    if json_object(meta.get("chunk_grid")).get("name", "regular") != "regular" or meta.get("storage_transformers"):
        raise ValueError("it uses a chunk grid or storage transformer other than the regular one")
    array = zarr.open_array(LocalStore(target, read_only=True), mode="r", zarr_format=zarr_format)
    if np.dtype(array.dtype).kind not in "iufb":
        raise VolumeError(f"{root} has intensities of type {array.dtype}; expected uint8, uint16, int16 or float32.")
    return array, packing[0] if packing else None


def _packed_at(pipeline: list[str]) -> int:
    """Return the place of the codec that packs, the end where none does."""
    return next((i for i, codec in enumerate(pipeline) if codec in _PACKING), len(pipeline))


def _pipelines(codecs: Any) -> Iterator[list[str]]:
    """Yield the names of the codecs that follow each other, those of parts of shards by themselves."""
    pipeline = []
    for codec in codecs or []:
        if isinstance(codec, str):
            pipeline.append(codec)
            continue
        pipeline.append(codec["name"])
        inner = json_object(codec.get("configuration"))
        yield from _pipelines(inner.get("codecs"))
        yield from _pipelines(inner.get("index_codecs"))
    yield pipeline
