"""A folder of 2D images, one for each section, in natural order (2 before 10)."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import natsort
import numpy as np
import tifffile

from napari_emgauss._types import AnyArray, ArrayLike3D
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.guard import InputFiles, array_bytes, check_fits_memory, foreign_errors
from napari_emgauss.io.source import DECODED_AT_ONCE_BYTES, LazyStack, Source, supported_dtype, to_supported
from napari_emgauss.io.tiff import check_chain, opencv_pages, tag_pixel_size
from napari_emgauss.io.tiff_segments import check_segments
from napari_emgauss.io.voxel_size import PartialTriple

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")


def open_folder(path: Path) -> Source:
    """Describe the stack that the images in a folder make up."""
    files = natsort.natsorted(
        (
            f
            for f in path.iterdir()
            if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".") and f.is_file()
        ),
        key=lambda f: f.name,
    )
    if not files:
        raise FileFormatError(
            f"the folder {path} holds no images ({', '.join(IMAGE_SUFFIXES)}) and is no OME-Zarr (no zarr.json or "
            ".zattrs). Pass the folder with one image for each section."
        )
    first = _image(files[0])
    dtype = supported_dtype(first.dtype, files[0])
    return Source(
        shape=(len(files), *first.shape),
        dtype=first.dtype,
        load=lambda: _load(path, files, first.shape, dtype),
        found_nm=_pixel_size(files[0]),
        metadata={"format": "folder of images"},
        note="2D images have no place for the distance between sections",
    )


def _load(path: Path, files: list[Path], shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> ArrayLike3D:
    """Return the stack: decoded if it is small, otherwise image by image (whole ones, for they are compressed)."""
    known = InputFiles(path, files)

    def section(file: Path) -> AnyArray:
        known.check([file])
        image = _image(file, shape)
        if image.shape != shape or supported_dtype(image.dtype, file) != dtype:
            raise VolumeError(
                f"{file.name} is {image.dtype} of shape {image.shape}, but {files[0].name} is {dtype} of shape {shape}"
                "; all sections must have one size and type. Crop or convert them, or move it out of the folder."
            )
        return to_supported(image, dtype)

    def fetch(sections: slice, rows: slice, columns: slice) -> AnyArray:
        counts = [len(range(s.start, s.stop, s.step)) for s in (sections, rows, columns)]
        block: AnyArray = np.empty(counts, dtype)
        for out, file in zip(block, files[sections], strict=True):
            out[:] = section(file)[rows, columns]
        return block

    stack = LazyStack(fetch, shape=(len(files), *shape), stored_dtype=dtype, path=path, kind="folder of images")
    return stack if stack.nbytes > DECODED_AT_ONCE_BYTES else stack[:]


def _image(file: Path, shape: tuple[int, ...] | None = None) -> AnyArray:
    """Decode an image, but not one whose header says that it has another ``shape`` than it should."""
    with foreign_errors(file, "image"):
        image = _tiff_image(file) if file.suffix.lower() in (".tif", ".tiff") else _opencv_image(file, shape)
        if image.ndim == 3 and image.shape[-1] in (2, 3, 4):
            raise VolumeError(
                f"{file.name} is an RGB (colour) image of shape {image.shape}; expected grey levels. "
                "Convert it to grey."
            )
        if image.ndim != 2:
            raise VolumeError(
                f"{file.name} has shape {image.shape}; a folder must hold one 2D image for each section. "
                "If it is a stack, pass the file itself."
            )
        return image


def _declared_size(file: Path) -> tuple[int, int] | None:
    """Return the size (Y, X) in the header of a PNG or JPEG, before anything is decoded; None if there is none."""
    with file.open("rb") as image:
        start = image.read(24)
        if start[:8] == b"\x89PNG\r\n\x1a\n" and len(start) == 24:
            width, height = struct.unpack(">II", start[16:24])
            return height, width
        if start[:2] != b"\xff\xd8":
            return None
        at = 2
        while True:
            image.seek(at)
            marker = image.read(9)
            if len(marker) < 9 or marker[0] != 0xFF:
                return None
            if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack(">HH", marker[5:9])
                return height, width
            at += 2 + int.from_bytes(marker[2:4], "big")


def _unlike(file: Path, size: tuple[int, ...], shape: tuple[int, ...]) -> str:
    return (
        f"{file.name} is an image of {size[0]} × {size[1]}, the first one of {shape[0]} × {shape[1]}; all sections "
        "must have one size. Crop it, or move it out of the folder."
    )


def _opencv_image(file: Path, shape: tuple[int, ...] | None) -> AnyArray:
    size = _declared_size(file)
    if size is not None:
        check_fits_memory(file, array_bytes(size, 4), what="the image")
        if shape is not None and size != shape:
            raise VolumeError(_unlike(file, size, shape))
    # imdecode rather than imread: OpenCV cannot open non-ASCII paths on Windows.
    image = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("the image data are incomplete or damaged")
    return np.asarray(image)


def _tiff_image(file: Path) -> AnyArray:
    check_chain(file)
    with tifffile.TiffFile(file, _multifile=False) as tif:  # never follows references to other files
        pages = len(tif.pages)
        page = tif.pages.first
        if pages > 1:
            raise VolumeError(
                f"{file.name} holds {pages} pages; a folder must hold one 2D image for each section. "
                "If it is a stack, pass the file itself."
            )
        check_fits_memory(file, array_bytes(page.shape, np.dtype(page.dtype).itemsize), what="the image")
        ends = [offset + n for offset, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if max(ends, default=0) > file.stat().st_size:
            raise ValueError("its image data reach beyond the end of the file")
        check_segments(file, [page])
        try:
            return np.asarray(page.asarray()).squeeze()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            return np.asarray(opencv_pages(file, str(error))[0])


def _pixel_size(file: Path) -> PartialTriple:
    if file.suffix.lower() not in (".tif", ".tiff"):
        return None, None, None
    with foreign_errors(file, "image"), tifffile.TiffFile(file, _multifile=False) as tif:
        unit = (tif.imagej_metadata or {}).get("unit")
        return None, *tag_pixel_size(tif.pages.first, unit=unit, y_unit=unit)
