"""TIFF files: plain, ImageJ and OME stacks in, OME-TIFF out."""

from __future__ import annotations

import io
import json
import logging
import math
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import tifffile

from napari_emgauss._types import AnyArray, ArrayLike3D, Triple
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.guard import (
    InputFiles,
    array_bytes,
    check_file_holds,
    check_fits_memory,
    foreign_errors,
    json_object,
)
from napari_emgauss.io.source import DECODED_AT_ONCE_BYTES, LazyStack, PlainArray, Source, supported_dtype, to_supported
from napari_emgauss.io.tiff_segments import SegmentedPages, check_segments
from napari_emgauss.io.voxel_size import UNKNOWN, PartialTriple
from napari_emgauss.units import length_nm
from napari_emgauss.volume import Volume

KEY = "napari-emgauss"
_MAX_TAG_PIXEL_NM = 10_000.0
_INCH_NM, _CM_NM = 2.54e7, 1e7
_CLASSIC_TIFF_BYTES = 2**32 - 2**26


def open_tiff(path: Path) -> Source:
    """Describe the stack in a TIFF file."""
    with _opened(path) as tif:
        series = _stack_series(tif, path)
        # A distance between sections makes ImageJ's only long axis z: programs often label it channel or time.
        spaced = "spacing" in (tif.imagej_metadata or {})
        shape = _stack_shape(series, path, spaced=spaced)
        _check_pages(series, path)
        stored = _own_description(tif)
        return Source(
            shape=shape,
            dtype=np.dtype(series[0].dtype),
            load=lambda: _load(path, shape),
            found_nm=_voxel_size(tif),
            origin_nm=_origin(stored),
            metadata={**json_object(stored.get("metadata")), "format": _format_name(tif)},
            note="" if tif.is_ome or tif.is_imagej else "A plain TIFF has no place for the distance between sections",
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file, never following its references to others; what tifffile only logs becomes an error."""
    with foreign_errors(path, "TIFF"):
        check_chain(path)
        complaints = _Complaints()
        logger = logging.getLogger("tifffile")
        logger.addHandler(complaints)
        try:
            with tifffile.TiffFile(path, _multifile=False) as tif:
                description = tif.pages.first.description
                if "<!DOCTYPE" in description or "<!ENTITY" in description:
                    raise ValueError("its XML description defines entities, which is not safe to read")
                if tif.is_ome:
                    _refuse_file_set(str(tif.ome_metadata), path)
                yield tif
        finally:
            logger.removeHandler(complaints)
        if complaints.messages:
            raise ValueError(complaints.messages[0])


def check_chain(path: Path) -> None:
    """Raise ``ValueError`` if the chain of pages runs in a circle, which would be followed for ever."""
    with path.open("rb") as file:
        start = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(start[:2])
        if order is None or len(start) < 16:
            return
        big = start[2:4] in (b"+\0", b"\0+")
        count, tag_bytes, link = (f"{order}Q", 20, f"{order}Q") if big else (f"{order}H", 12, f"{order}I")
        (offset,) = struct.unpack_from(link, start, 8 if big else 4)
        seen = set()
        while offset:
            if offset in seen:
                raise ValueError("its chain of pages runs in a circle")
            seen.add(offset)
            file.seek(offset)
            n_tags = file.read(struct.calcsize(count))
            if len(n_tags) < struct.calcsize(count):
                return  # beyond the end: told when it is read
            file.seek(struct.unpack(count, n_tags)[0] * tag_bytes, io.SEEK_CUR)
            next_offset = file.read(struct.calcsize(link))
            if len(next_offset) < struct.calcsize(link):
                return
            (offset,) = struct.unpack(link, next_offset)


class _Complaints(logging.Handler):
    """Errors of this thread about missing or damaged pages."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        harmless = "TiffTag" in message or "StripByteCounts count" in message
        if record.thread == self._thread and not harmless:
            self.messages.append(message)


def _refuse_file_set(xml: str, path: Path) -> None:
    root = ET.fromstring(xml)
    own = root.get("UUID")
    others = {e.text for e in root.iter() if _local(e) == "UUID"} - {own}
    if any(_local(e) == "BinaryOnly" for e in root) or len(others) > (0 if own else 1):
        raise FileFormatError(
            f"{path.name} is one file of a multi-file OME-TIFF set, and other files are not opened on its say-so. "
            "Save the stack as one file, for example with Fiji."
        )


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _stack_series(tif: Any, path: Path) -> list[Any]:
    """Return the one series of the file, or one 2D series for each section (pages that were written one by one)."""
    series = list(tif.series)
    if not series:
        raise ValueError("it holds no image")
    if len(series) > 1 and (series[0].axes != "YX" or len({(s.axes, s.shape, s.dtype) for s in series}) > 1):
        shapes = ", ".join(f"{s.axes} {s.shape} {s.dtype}" for s in series[:4])
        raise VolumeError(
            f"{path.name} holds {len(series)} images that differ ({shapes}{', …' if series[4:] else ''}); expected "
            "sections of one size and type. Save the one you want as its own file."
        )
    return series


def _stack_shape(series: list[Any], path: Path, *, spaced: bool) -> tuple[int, ...]:
    first = series[0]
    if len(series) > 1:
        return (len(series), *first.shape)
    kept = [(a, int(n)) for a, n in zip(first.axes, first.shape, strict=True) if n != 1 or a in "YX"]
    axes = "".join(a for a, _ in kept)
    shape = tuple(n for _, n in kept)
    if "S" in axes:
        raise VolumeError(
            f"{path.name} is an RGB (colour) image with axes {axes} {shape}; expected a grey-level stack. "
            "Convert it to grey."
        )
    if axes not in ("YX", "ZYX", "IYX", "QYX", *(("CYX", "TYX") if spaced else ())):
        raise VolumeError(
            f"{path.name} has axes {axes} {shape}; expected one grey-level stack ZYX. Pick one channel and time point, "
            "or, if sections were saved as time or channels, re-order them (Fiji: Image > Hyperstacks > Re-order)."
        )
    return shape


def _check_pages(series: list[Any], path: Path) -> None:
    """Raise unless every page is there and lies inside the file: tifffile fills what is missing with zeros."""
    declared = 0
    for one in series:
        pages = list(one.pages)
        if any(page is None for page in pages):
            raise ValueError(f"{sum(page is None for page in pages)} of {len(pages)} declared sections are missing")
        key = one.keyframe
        per_page = array_bytes(key.shape, one.dtype.itemsize)
        plain = key.compression == 1 and key.bitspersample == 8 * one.dtype.itemsize
        for page in pages:
            ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
            check_file_holds(path, max(ends, default=0), declared="image data up to there")
            if plain and sum(page.databytecounts) < per_page:
                raise ValueError(f"a section declares {per_page} bytes but holds {sum(page.databytecounts)}")
        total = array_bytes(one.shape, one.dtype.itemsize)
        declared += total
        if len(pages) * per_page != total and one.dataoffset is None:
            raise ValueError(f"{one.shape} is declared but only {len(pages)} of its sections are there")
    if series[0].keyframe.compression == 1 and series[0].keyframe.bitspersample == 8 * series[0].dtype.itemsize:
        check_file_holds(path, declared, declared=f"{len(series)} × {series[0].shape} {series[0].dtype}")


def _load(path: Path, shape: tuple[int, ...]) -> ArrayLike3D:
    with _opened(path) as tif:
        series = _stack_series(tif, path)
        stored = np.dtype(series[0].dtype)
        target = supported_dtype(stored, path)
        files = InputFiles(path, [path])
        if len(series) == 1 and series[0].dataoffset is not None:
            plain = PlainArray(path, int(series[0].dataoffset), stored.newbyteorder(tif.byteorder), shape)
            return LazyStack(plain.fetch, shape=shape, stored_dtype=stored, path=path, kind="TIFF", files=files)
        large = array_bytes(shape, target.itemsize) > DECODED_AT_ONCE_BYTES
        if large and (pages := SegmentedPages.of(path, series)) is not None:
            return LazyStack(pages.fetch, shape=shape, stored_dtype=stored, path=path, kind="TIFF", files=files)
        per_voxel = target.itemsize + (stored.itemsize if stored != target else 0)
        check_fits_memory(path, array_bytes(shape, per_voxel))
        check_segments(path, [page for one in series for page in one.pages])
        try:
            whole = np.stack([s.asarray() for s in series]) if series[1:] else series[0].asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            whole = opencv_pages(path, str(error))
        if whole.size != math.prod(shape):
            raise ValueError(f"shape {shape} is declared, {whole.shape} was found")
        return to_supported(whole.reshape(shape), target)


def opencv_pages(path: Path, reason: str) -> AnyArray:
    """Decode all pages by OpenCV, which brings LZW and JPEG; tifffile needs an optional package for them."""
    done, pages = cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)
    if not done or not pages:
        raise ValueError(f"{reason}: pip install imagecodecs, or save it uncompressed")
    return np.stack([np.asarray(page) for page in pages])


def _voxel_size(tif: Any) -> PartialTriple:
    z = y = x = None
    if tif.is_ome:
        z, y, x = _ome_voxel_size(tif.ome_metadata)
    spacing = tif.imagej_metadata or json_object((tif.shaped_metadata or ({},))[0])
    unit = spacing.get("unit")
    if z is None and not tif.is_ome:
        value = spacing.get("spacing")
        z = length_nm(abs(value) if isinstance(value, int | float) else None, spacing.get("zunit", unit))
    tag_y, tag_x = tag_pixel_size(tif.pages.first, unit=unit, y_unit=spacing.get("yunit", unit))
    return z, y or tag_y, x or tag_x


def _ome_voxel_size(xml: str) -> PartialTriple:
    pixels = next((e for e in ET.fromstring(xml).iter() if _local(e) == "Pixels"), None)
    if pixels is None:
        return UNKNOWN
    # The schema's default unit is µm.
    z, y, x = (length_nm(pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit", "µm")) for a in "ZYX")
    return z, y, x


def tag_pixel_size(page: Any, *, unit: Any = None, y_unit: Any = None) -> tuple[float | None, float | None]:
    """Return the pixel size (y, x) in nm from the resolution tags, in ImageJ's ``unit`` where there is one.

    Without it, values above 10 µm are a scanner's or printer's default (72 dpi is 353 µm) and count as unknown.
    """

    def pixel(name: str, imagej_unit: Any) -> float | None:
        tag, unit_tag = page.tags.get(name), page.tags.get("ResolutionUnit")
        try:
            numerator, denominator = (float(v) for v in tag.value)
            size = denominator / numerator
            stated = int(unit_tag.value) if unit_tag is not None else 2
        except (AttributeError, TypeError, ValueError, ZeroDivisionError):
            return None
        if imagej_unit is not None:
            return length_nm(size, imagej_unit)
        size_nm = size * {2: _INCH_NM, 3: _CM_NM}.get(stated, math.nan)
        return size_nm if 0 < size_nm <= _MAX_TAG_PIXEL_NM else None

    return pixel("YResolution", y_unit), pixel("XResolution", unit)


def _own_description(tif: Any) -> dict[str, Any]:
    """Return what `write_ome_tiff` stored in the image's description."""
    if not tif.is_ome:
        return {}
    element = next((e for e in ET.fromstring(tif.ome_metadata).iter() if _local(e) == "Description"), None)
    try:
        return json_object(json_object(json.loads((element.text if element is not None else "") or "")).get(KEY))
    except (ValueError, RecursionError):
        return {}


def _origin(stored: dict[str, Any]) -> Triple:
    try:
        z, y, x = (float(v) for v in stored["origin_nm"])
    except (KeyError, TypeError, ValueError):
        return 0.0, 0.0, 0.0
    return z, y, x


def _format_name(tif: Any) -> str:
    return "OME-TIFF" if tif.is_ome else "ImageJ TIFF" if tif.is_imagej else "TIFF"


def write_ome_tiff(
    volume: Volume, path: Path, planes: Iterator[AnyArray], *, metadata: dict[str, Any], overwrite: bool
) -> None:
    """Write an uncompressed OME-TIFF (BigTIFF beyond 4 GB): sizes in nm, origin and metadata in its description."""
    n_bytes = array_bytes(volume.shape, volume.dtype.itemsize)
    z, y, x = volume.voxel_size_nm
    # ASCII JSON survives XML whatever characters the metadata holds.
    description = json.dumps({KEY: {"origin_nm": volume.origin_nm, "metadata": metadata}})
    ome = {"axes": "ZYX", "Description": description}
    for axis, size in zip("ZYX", (z, y, x), strict=True):
        ome |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}  # type: ignore[dict-item]
    tags: dict[str, Any] = {}
    if all(1e-2 < size < 1e6 for size in (y, x)):  # what a rational tag of two 32-bit integers can hold
        tags = {"resolution": (_CM_NM / x, _CM_NM / y), "resolutionunit": "CENTIMETER"}
    with (
        replacing(path, overwrite=overwrite, n_bytes=n_bytes) as temporary,
        tifffile.TiffWriter(temporary, bigtiff=n_bytes > _CLASSIC_TIFF_BYTES, ome=True) as tif,
    ):
        tif.write(
            planes,
            shape=volume.shape,
            dtype=volume.dtype.newbyteorder("="),
            photometric="minisblack",
            metadata=ome,
            **tags,
        )


def write_tiff_image(image: AnyArray, path: Path, *, pixel_nm: tuple[float, float]) -> None:
    """Write one image (Y, X) with its pixel size (y, x), in place of an existing file."""
    per_cm = (_CM_NM / pixel_nm[1], _CM_NM / pixel_nm[0])
    with replacing(path, overwrite=True, n_bytes=image.nbytes) as temporary:
        tifffile.imwrite(temporary, image, resolution=per_cm, resolutionunit="CENTIMETER")
