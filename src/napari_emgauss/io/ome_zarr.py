"""OME-Zarr folders: 0.4 and 0.5 in, read on demand; 0.5 multiscale out, streamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import zarr
from zarr.storage import LocalStore

from napari_emgauss._types import AnyArray, ArrayLike3D, Triple
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.guard import (
    HARMLESS_BYTES,
    MAX_METADATA_BYTES,
    InputFiles,
    array_bytes,
    check_decoded_size,
    check_fits_memory,
    foreign_errors,
    json_object,
)
from napari_emgauss.io.pyramid import Level, plan_levels
from napari_emgauss.io.source import LazyStack, Source
from napari_emgauss.io.voxel_size import PartialTriple
from napari_emgauss.units import length_nm, nm_per_unit
from napari_emgauss.volume import Volume

KEY = "napari-emgauss"
# Codecs that only compress or reorder numbers. numcodecs also has "pickle", which runs code from the file.
_CODECS = frozenset(
    {"blosc", "zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "shuffle", "bitround", "delta", "fixedscaleoffset"}
    | {"quantize", "astype", "packbits", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3", "zfpy"}
    | {"pcodec", "bytes", "endian", "transpose", "sharding_indexed"}
)


MOST_LISTED_CHUNKS = 2**18
"""Arrays of more chunks are not searched for missing ones when they are opened."""
_METADATA = ("zarr.json", ".zarray")


def is_zarr(path: Path) -> bool:
    """Return whether the folder ``path`` is, or claims to be, a zarr store."""
    names = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
    return path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in names)


def open_ome_zarr(path: Path) -> Source:
    """Describe the finest level of the first image of an OME-Zarr."""
    with foreign_errors(path, "OME-Zarr"):
        attributes = _attributes(path)
        image = _multiscales(path, attributes)
        dataset = image["datasets"][0]
        array = _open_array(path, str(dataset["path"]))
        axes = _axes(image, path)
        if len(axes) != array.ndim:
            raise ValueError(f"{len(axes)} axes are declared for an array of shape {array.shape}")
        kept = _stack_axes(axes, array.shape, path)
        found, origin = _geometry(axes, kept, [dataset, image])
        chunks = ChunkFiles(path, array, array.store.root)
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


class ChunkFiles:
    """Files of an array's chunks: counted when it is opened, and looked at when they are read.

    Zarr reads a chunk that is not there as its fill value, and what a chunk unpacks to whatever its size.

    Parameters
    ----------
    store
        Folder of the image: no chunk may lie outside.
    array, folder
        The array, and where its chunks are.
    """

    def __init__(self, store: Path, array: Any, folder: Path) -> None:
        self._store, self._array, self._folder = store, array, folder
        self._chunk = tuple(int(n) for n in getattr(array, "shards", None) or array.chunks)
        self.grid = tuple(-(-int(n) // m) for n, m in zip(array.shape, self._chunk, strict=True))
        self.n_bytes = array_bytes(self._chunk, np.dtype(array.dtype).itemsize)
        """Of one chunk, unpacked."""
        self.files = InputFiles(store, [folder / name for name in _METADATA if (folder / name).is_file()])
        self._packing = _packing(array)
        self._absent = self._find_absent() if array_bytes(self.grid, 1) <= MOST_LISTED_CHUNKS else None

    def missing(self) -> dict[str, str]:
        """Return what to tell of chunks that were not there from the beginning."""
        if not self._absent:
            return {}
        count, of = len(self._absent), array_bytes(self.grid, 1)
        fill = self._array.metadata.fill_value
        return {"missing": f"{count} of {of} chunks are not in the file and read as {fill if fill is not None else 0}"}

    def read(self, index: tuple[int | slice, ...]) -> AnyArray:
        """Return what a NumPy array would at integers and forward slices."""
        spans = [slice(i, i + 1) if isinstance(i, int) else i for i in index]
        touched = [range(s.start // n, -(-s.stop // n)) for s, n in zip(spans, self._chunk, strict=True)]
        places = list(product(*touched)) if all(s.stop > s.start for s in spans) else []
        self._check_safe(places)
        block = self._together(spans) if len(places) * self.n_bytes <= HARMLESS_BYTES else self._apart(spans, places)
        self._check_there(places)
        return block[tuple(0 if isinstance(i, int) else slice(None, None, i.step) for i in index)]

    def _together(self, spans: Sequence[slice]) -> AnyArray:
        return np.asarray(self._array[tuple(slice(s.start, s.stop) for s in spans)])

    def _apart(self, spans: Sequence[slice], places: Sequence[tuple[int, ...]]) -> AnyArray:
        # Zarr unpacks many chunks at once: more than may fit.
        whole = np.empty([s.stop - s.start for s in spans], self._array.dtype)
        for place in places:
            own = [
                slice(max(s.start, k * n), min(s.stop, (k + 1) * n))
                for s, k, n in zip(spans, place, self._chunk, strict=True)
            ]
            into = tuple(slice(o.start - s.start, o.stop - s.start) for o, s in zip(own, spans, strict=True))
            whole[into] = self._array[tuple(own)]
        return whole

    def _check_safe(self, places: Sequence[tuple[int, ...]]) -> None:
        """Raise unless the chunks at these places lie inside the store and unpack to what they should."""
        for place in places:
            file = self._file(place)
            if file.is_symlink() and not file.resolve().is_relative_to(self._store.resolve()):
                raise FileFormatError(f"{self._store} links to {file.resolve()}, which lies outside and is not opened.")
            if self._packing is not None and file.is_file():
                with file.open("rb") as packed:
                    check_decoded_size(packed, file.stat().st_size, self._packing, at_most=2 * self.n_bytes)

    def _check_there(self, places: Sequence[tuple[int, ...]]) -> None:
        """Raise unless all chunks at these places are there that were."""
        if self._absent is None:
            return
        gone = sum(place not in self._absent and not self._file(place).is_file() for place in places)
        if gone:
            raise FileFormatError(
                f"{self._store}: {gone} chunk{'s are' if gone > 1 else ' is'} no longer there. The array was deleted, "
                "or its disk is no longer connected. Bring it back and start again."
            )

    def _find_absent(self) -> frozenset[tuple[int, ...]]:
        held = {
            (Path(folder) / name).relative_to(self._folder).as_posix()
            for folder, _, names in os.walk(self._folder)
            for name in names
        }
        return frozenset(place for place in np.ndindex(self.grid) if self._name(place) not in held)

    def _file(self, place: tuple[int, ...]) -> Path:
        return self._folder / self._name(place)

    def _name(self, place: tuple[int, ...]) -> str:
        return str(self._array.metadata.encode_chunk_key(place))


def _packing(array: Any) -> str | None:
    """Return the codec that packs a chunk's bytes last; None for shards, whose parts are packed one by one."""
    if getattr(array, "shards", None):
        return None
    for codec in reversed(array.compressors):
        name = getattr(codec, "codec_id", None) or str(codec.to_dict()["name"])
        return str(name).removeprefix("numcodecs.")
    return None


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


def _multiscales(path: Path, attributes: dict[str, Any]) -> dict[str, Any]:
    images = json_object(attributes.get("ome")).get("multiscales") or attributes.get("multiscales")
    if images:
        return dict(images[0])
    inner = "bioformats2raw.layout" in {**attributes, **json_object(attributes.get("ome"))}
    raise FileFormatError(
        f"{path} has no OME-Zarr image at its top (no multiscales in zarr.json or .zattrs). "
        + (f"Pass an image inside it, for example {path / '0'}." if inner else "Pass the folder of the image itself.")
    )


def _open_array(root: Path, name: str) -> Any:
    """Open the array ``name`` below ``root``, checked to lie inside it and to use harmless codecs only."""
    relative = PurePosixPath(name)
    target = (root / name).resolve()
    outside = relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name
    if outside or not target.is_relative_to(root.resolve()):
        raise FileFormatError(f"{root} refers to {name!r}, which lies outside of it and is not opened.")
    zarr_format: Literal[2, 3] = 3 if (target / "zarr.json").is_file() else 2
    if zarr_format == 3:
        meta = _json(target / "zarr.json")
        codecs = list(_codec_names(meta.get("codecs")))
    else:
        meta = _json(target / ".zarray")
        codecs = [c["id"] for c in [meta.get("compressor"), *(meta.get("filters") or [])] if c is not None]
    unknown = [c for c in codecs if str(c).removeprefix("numcodecs.") not in _CODECS]
    if unknown:
        raise FileFormatError(f"{root} uses the codecs {unknown}, which are not accepted. Save it with blosc or zstd.")
    if json_object(meta.get("chunk_grid")).get("name", "regular") != "regular" or meta.get("storage_transformers"):
        raise ValueError("it uses a chunk grid or storage transformer other than the regular one")
    array = zarr.open_array(LocalStore(target, read_only=True), mode="r", zarr_format=zarr_format)
    if np.dtype(array.dtype).kind not in "iufb":
        raise VolumeError(f"{root} has intensities of type {array.dtype}; expected uint8, uint16, int16 or float32.")
    return array


def _codec_names(codecs: Any) -> Any:
    for codec in codecs or []:
        if isinstance(codec, str):
            yield codec
            continue
        yield codec["name"]
        inner = json_object(codec.get("configuration"))
        yield from _codec_names([*inner.get("codecs", []), *inner.get("index_codecs", [])])


def _axes(image: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    axes = image.get("axes")
    if not isinstance(axes, list) or not all(isinstance(a, dict) and "name" in a for a in axes):
        raise FileFormatError(
            f"{path} has version {image.get('version', 'unknown')} of OME-Zarr; 0.4 and 0.5 are read. Convert it."
        )
    return axes


def _stack_axes(axes: list[dict[str, Any]], shape: tuple[int, ...], path: Path) -> list[int]:
    names = [str(a["name"]).lower() for a in axes]
    extra = [f"{n}: {size}" for n, size in zip(names, shape, strict=True) if n not in ("z", "y", "x") and size != 1]
    kept = [i for i, name in enumerate(names) if name in ("z", "y", "x")]
    if extra or [names[i] for i in kept] != ["z", "y", "x"]:
        raise VolumeError(
            f"{path} has axes {', '.join(names)} of shape {shape}; expected one grey-level stack z, y, x "
            "with nothing else longer than 1. Pick one channel and time point."
        )
    return kept


def _geometry(axes: list[dict[str, Any]], kept: list[int], transformed: list[Any]) -> tuple[PartialTriple, Triple]:
    """Return voxel size and origin after the level's and then the whole image's transformations."""
    scale, shift = np.ones(len(axes)), np.zeros(len(axes))
    for owner in transformed:
        for step in json_object(owner).get("coordinateTransformations") or []:
            kind = step.get("type")
            if kind in ("scale", "translation") and kind not in step:
                raise ValueError(f"its {kind} is not given in place")
            values = np.asarray(step.get(kind, 0.0), np.float64)
            if kind == "scale":
                scale, shift = scale * values, shift * values
            elif kind == "translation":
                shift = shift + values
    z, y, x = (length_nm(scale[i], axes[i].get("unit")) for i in kept)
    places = [float(shift[i]) * (nm_per_unit(axes[i].get("unit")) or 0.0) for i in kept]
    if not np.isfinite(places).all():
        raise ValueError(f"its origin {places} is not finite")
    return (z, y, x), (places[0], places[1], places[2])


def write_ome_zarr(
    volume: Volume, path: Path, planes: Iterator[AnyArray], *, metadata: dict[str, Any], overwrite: bool
) -> None:
    """Write OME-Zarr 0.5: levels averaged while the planes pass by, each pixel's centre kept in place."""
    specs = plan_levels(volume.shape, volume.voxel_size_nm, volume.origin_nm)
    n_bytes = sum(array_bytes(s.shape, volume.dtype.itemsize) for s in specs)
    axes = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    datasets = [
        {
            "path": str(index),
            "coordinateTransformations": [
                {"type": "scale", "scale": list(s.voxel_size_nm)},
                {"type": "translation", "translation": list(s.origin_nm)},
            ],
        }
        for index, s in enumerate(specs)
    ]
    image = {"name": path.name.partition(".")[0], "axes": axes, "datasets": datasets, "type": "mean"}
    attributes = {"ome": {"version": "0.5", "multiscales": [image]}, KEY: {"metadata": metadata}}
    with replacing(path, overwrite=overwrite, n_bytes=n_bytes) as temporary:
        group = zarr.create_group(LocalStore(temporary), zarr_format=3, attributes=attributes)
        level: Level | None = None
        for index in reversed(range(len(specs))):
            spec = specs[index]
            array = group.create_array(
                str(index),
                shape=spec.shape,
                chunks=spec.chunks(volume.dtype.itemsize),
                dtype=volume.dtype.name,
                dimension_names=("z", "y", "x"),
            )
            level = Level(spec, array, volume.dtype, coarser=level)
        assert level is not None
        for plane in planes:
            level.push(plane)
        level.finish()
