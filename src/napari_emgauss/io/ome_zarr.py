"""OME-Zarr folders: 0.4 and 0.5 in, read on demand; 0.5 multiscale out, streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import zarr
from zarr.storage import LocalStore

from napari_emgauss._types import AnyArray, ArrayLike3D, Triple
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.guard import MAX_METADATA_BYTES, array_bytes, check_fits_memory, foreign_errors, json_object
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
        chunks = getattr(array, "shards", None) or array.chunks
        check_fits_memory(path, array_bytes(chunks, np.dtype(array.dtype).itemsize), what="one chunk")

    shape = tuple(int(array.shape[axis]) for axis in kept)

    def load() -> ArrayLike3D:
        def fetch(*key: slice) -> AnyArray:
            index: list[int | slice] = [0] * array.ndim
            for axis, part in zip(kept, key, strict=True):
                index[axis] = part
            return np.asarray(array[tuple(index)])

        depth = int(array.chunks[kept[0]])
        return LazyStack(
            fetch, shape=shape, stored_dtype=array.dtype, path=path, kind="OME-Zarr", sections_per_read=depth
        )

    own = json_object(attributes.get(KEY))
    return Source(
        shape=shape,
        dtype=np.dtype(array.dtype),
        load=load,
        found_nm=found,
        origin_nm=origin,
        metadata={**json_object(own.get("metadata")), "format": "OME-Zarr"},
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
