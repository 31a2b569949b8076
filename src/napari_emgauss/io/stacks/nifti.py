"""NIfTI files: a checked header first, then exactly the voxels that it declares.

Extensions in a header are not looked at. What is packed is unpacked as far as the header says and no farther.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.guard import (
    LARGEST_RATIO,
    MAX_METADATA_BYTES,
    array_bytes,
    check_file_holds,
    check_fits_memory,
    foreign_errors,
)
from napari_emgauss.io.source import read_exactly
from napari_emgauss.units import format_bytes

NIFTI_SUFFIXES = (".nii", ".nii.gz")
_HEADER_BYTES = {1: 348, 2: 540}
_LONGEST_NIFTI1_SIDE = 2**15 - 1
_MM_PER_UNIT = {"meter": 1e3, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}
_PIECE_BYTES = 2**20


def is_nifti(path: Path) -> bool:
    """Return whether the name is that of a NIfTI file."""
    return path.name.lower().endswith(NIFTI_SUFFIXES)


@dataclass(frozen=True)
class NiftiImage:
    """What a NIfTI file holds.

    ``values`` (i, j, k) are float32, scaled as the header says; ``affine`` maps (i, j, k) to RAS millimetres, None
    where the header states no place in space; ``slice_axis`` is the axis of acquisition that it names, if it does.
    """

    values: FloatArray
    affine: AnyArray | None
    slice_axis: int | None
    spacing_mm: AnyArray


def read_nifti(path: Path) -> NiftiImage:
    """Read a three-dimensional NIfTI-1 or NIfTI-2 file, packed or not.

    Raises
    ------
    FileNotFoundError
        There is none.
    FileFormatError
        It is damaged or of another kind.
    VolumeError
        It has more than three axes, or no plain numbers.
    OutOfMemoryError
        It does not fit.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. Check the path.")
    if not path.is_file():
        raise FileFormatError(f"{path} is no file. Give a NIfTI file (.nii, .nii.gz).")
    with foreign_errors(path, "NIfTI"), _opened(path) as file:
        header = _read_header(file)
        shape = _shape(header, path)
        dtype = _dtype(header, path)
        offset = int(header["vox_offset"])
        if not len(header.binaryblock) <= offset <= MAX_METADATA_BYTES:
            raise ValueError(f"its voxels begin at byte {offset}")
        needed = array_bytes(shape, dtype.itemsize)
        _check_size(path, offset + needed, shape)
        check_fits_memory(path, needed + array_bytes(shape, 4))
        raw = np.empty(shape, dtype, order="F")
        _skip(file, offset - len(header.binaryblock))
        read_exactly(file, raw.reshape(-1, order="F").view(np.uint8).data)
        unit = _MM_PER_UNIT[header.get_xyzt_units()[0]]
        affine, slice_axis = _affine(header, unit), header.get_dim_info()[2]
        values = _scaled(raw, *header.get_slope_inter())
    return NiftiImage(values, affine, slice_axis, _spacing(header) * unit)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            file.seek(0)
            with gzip.open(file) as unpacked:
                yield cast("BinaryIO", unpacked)
        else:
            file.seek(0)
            yield file


def _read_header(file: BinaryIO) -> Any:
    first = file.read(_HEADER_BYTES[1])
    if len(first) < _HEADER_BYTES[1]:
        raise ValueError("it is shorter than a header")
    sizes = {int.from_bytes(first[:4], order) for order in ("little", "big")}
    if _HEADER_BYTES[2] in sizes:
        rest = file.read(_HEADER_BYTES[2] - _HEADER_BYTES[1])
        return nibabel.Nifti2Header(first + rest, check=False)
    if _HEADER_BYTES[1] not in sizes or first[344:348] not in (b"n+1\x00", b"ni1\x00"):
        raise ValueError("it has no NIfTI header")
    if first[344:347] == b"ni1":
        raise ValueError("its voxels are in another file (.img); convert it to one .nii file")
    return nibabel.Nifti1Header(first, check=False)


def _shape(header: Any, path: Path) -> tuple[int, int, int]:
    n_axes = int(header["dim"][0])
    if not 1 <= n_axes <= 7:
        raise ValueError(f"it declares {n_axes} axes")
    shape = [int(n) for n in header["dim"][1 : n_axes + 1]]
    if min(shape) < 1:
        raise ValueError(f"it declares the shape {tuple(shape)}")
    if any(n > 1 for n in shape[3:]):
        raise VolumeError(
            f"{path.name} has the shape {tuple(shape)}; a stack has three axes. Extract one time point, echo or "
            "channel of it, for example with fslroi or nibabel's four_to_three."
        )
    i, j, k = (*shape, 1, 1)[:3]
    return i, j, k


def _dtype(header: Any, path: Path) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise VolumeError(
            f"{path.name} has voxels of type {dtype}; expected integers or real numbers. Convert it, for example to "
            "its magnitude or its grey levels."
        )
    return dtype


def _check_size(path: Path, needed: int, shape: tuple[int, ...]) -> None:
    declared = f"{' × '.join(map(str, shape))} voxels"
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if not packed:
        check_file_holds(path, needed, declared=declared)
    elif needed > path.stat().st_size * LARGEST_RATIO["gzip"]:
        raise FileFormatError(
            f"{path} is truncated or damaged: its header declares {declared}, {format_bytes(needed)}, more than "
            f"{format_bytes(path.stat().st_size)} of gzip can hold. Copy or save it again."
        )


def _skip(file: BinaryIO, n_bytes: int) -> None:
    while n_bytes > 0:
        piece = file.read(min(n_bytes, _PIECE_BYTES))
        if not piece:
            raise ValueError("it ends before its voxels begin")
        n_bytes -= len(piece)


def _scaled(raw: AnyArray, slope: float | None, inter: float | None) -> FloatArray:
    """Return voxels as float32; what is beyond its range becomes infinite, which is reported when it is used."""
    with np.errstate(over="ignore", invalid="ignore"):
        if slope is None or (slope, inter) == (1, 0):
            return raw.astype(np.float32)
        return np.asarray(raw * np.float64(slope) + np.float64(inter or 0), np.float32)


def _affine(header: Any, unit: float) -> AnyArray | None:
    """Return the sform where it is set, else the qform, in mm; None where neither is."""
    for matrix, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        if code and matrix is not None:
            affine = np.array(matrix, np.float64)
            affine[:3] *= unit
            return affine
    return None


def _spacing(header: Any) -> AnyArray:
    return np.abs(np.array(header["pixdim"][1:4], np.float64))


def write_nifti(values: AnyArray, affine: AnyArray, path: Path, *, overwrite: bool) -> None:
    """Write voxels (i, j, k) with the affine that maps (i, j, k) to RAS millimetres; whole or not at all."""
    wide = max(values.shape) > _LONGEST_NIFTI1_SIDE
    image = (nibabel.Nifti2Image if wide else nibabel.Nifti1Image)(values, affine)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner", strip_shears=True)
    image.header.set_xyzt_units("mm")
    with replacing(path, overwrite=overwrite, n_bytes=values.nbytes) as temporary, temporary.open("wb") as file:
        if path.name.lower().endswith(".gz"):
            # Without a name and a time the same voxels give the same file.
            with gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0) as packed:
                packed.write(image.to_bytes())
        else:
            file.write(image.to_bytes())


def checked_target(path: str | os.PathLike[str]) -> Path:
    """Return the path if a NIfTI file can have this name."""
    target = Path(path)
    if not is_nifti(target):
        raise FileFormatError(f"cannot write {target.name}: its suffix must be one of {', '.join(NIFTI_SUFFIXES)}.")
    return target
