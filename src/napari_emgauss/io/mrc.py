"""MRC2014 files: read in parts, streamed out.

MRC has no unsigned 8-bit mode (mode 0 is signed), so uint8 is written as mode 6 (uint16): every program then reads the
right intensities. The extended header remembers the type, and `open_mrc` gives uint8 back.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mrcfile
import mrcfile.dtypes
import mrcfile.mrcinterpreter
import mrcfile.utils
import numpy as np

from napari_emgauss._types import AnyArray, ArrayLike3D, Triple
from napari_emgauss.errors import VolumeError
from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.guard import (
    MAX_METADATA_BYTES,
    InputFiles,
    array_bytes,
    check_file_holds,
    foreign_errors,
    json_object,
)
from napari_emgauss.io.source import LazyStack, PlainArray, Source
from napari_emgauss.io.voxel_size import UNKNOWN, PartialTriple
from napari_emgauss.units import length_nm
from napari_emgauss.volume import Volume

_HEADER_BYTES = 1024
_N_EXTENDED = slice(92, 96)
"""Where the header says how long its extension is."""
_EXTENDED = b"EMGS"
_MODES = {"uint8": 6, "uint16": 6, "int16": 1, "float32": 2}
_IMOD_STAMP = 1146047817


def open_mrc(path: Path) -> Source:
    """Describe the stack in an MRC file."""
    with foreign_errors(path, "MRC"):
        check_file_holds(path, _HEADER_BYTES, declared="an MRC header")
        header = _header(path)
        shape = (int(header.nz), int(header.ny), int(header.nx))
        if min(shape) < 1 or int(header.nsymbt) < 0:
            raise ValueError(f"its header declares the shape {shape} and {int(header.nsymbt)} bytes of extended header")
        if (int(header.mapc), int(header.mapr), int(header.maps)) not in ((1, 2, 3), (0, 0, 0)):
            raise VolumeError(
                f"{path.name} stores its axes in another order than x, y, z. Re-order it (IMOD: clip rotx)."
            )
        if int(header.ispg) > 400 and int(header.mz) not in (0, shape[0]):
            raise VolumeError(
                f"{path.name} holds several volumes; expected one stack. Save one of them as its own file."
            )
        stored = _stored_dtype(header)
        offset = _HEADER_BYTES + int(header.nsymbt)
        check_file_holds(path, offset + array_bytes(shape, stored.itemsize), declared=f"{shape} {stored}")
        own = _own_header(path, header)
        narrowed = own.get("dtype") == "uint8" and stored.name == "uint16"
        found, note = _voxel_size(header, trusted=bool(own))
        return Source(
            shape=shape,
            dtype=np.dtype(np.uint8) if narrowed else stored,
            load=lambda: _load(path, shape, stored, offset, narrowed),
            found_nm=found,
            origin_nm=_origin(header),
            metadata={**json_object(own.get("metadata")), "format": "MRC"},
            note=note,
        )


def _header(path: Path) -> Any:
    with path.open("rb") as file:
        raw = file.read(_HEADER_BYTES)
    # Parsed without its extended header, whose size is only declared: mrcfile makes room for it before it looks.
    alone = raw[: _N_EXTENDED.start] + bytes(4) + raw[_N_EXTENDED.stop :]
    with mrcfile.mrcinterpreter.MrcInterpreter(io.BytesIO(alone), header_only=True) as interpreter:
        header = interpreter.header.copy()
    header.nsymbt = np.frombuffer(raw[_N_EXTENDED], header.nsymbt.dtype)[0]
    return header


def _stored_dtype(header: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(mrcfile.utils.data_dtype_from_header(header))
    if dtype.kind == "c":
        raise VolumeError(f"MRC mode {int(header.mode)} holds complex numbers; expected grey levels.")
    if dtype != np.int8:
        return dtype
    # IMOD wrote unsigned bytes into mode 0 for decades; its stamp (flag 1: signed) or the maximum tells.
    order = header.mode.dtype.byteorder
    stamp, flags = np.frombuffer(header.extra2.tobytes(), np.dtype(np.int32).newbyteorder(order))[10:12]
    unsigned = not int(flags) & 1 if int(stamp) == _IMOD_STAMP else float(header.dmax) > 127
    return np.dtype("uint8" if unsigned else "int8")


def _load(path: Path, shape: tuple[int, ...], stored: np.dtype[Any], offset: int, narrowed: bool) -> ArrayLike3D:
    files, in_file = InputFiles(path, [path]), PlainArray(path, offset, stored, shape)

    def fetch(*key: slice) -> AnyArray:
        block = in_file.fetch(*key)
        if not narrowed:
            return block
        if block.size and int(block.max()) > 255:
            raise ValueError("it says that it holds 8-bit intensities but has larger ones")
        return block.astype(np.uint8)

    dtype = np.dtype(np.uint8) if narrowed else stored
    return LazyStack(fetch, shape=shape, stored_dtype=dtype, path=path, kind="MRC", files=files)


def _own_header(path: Path, header: Any) -> dict[str, Any]:
    if bytes(header.exttyp) != _EXTENDED or int(header.nsymbt) > MAX_METADATA_BYTES:
        return {}
    with path.open("rb") as file:
        file.seek(_HEADER_BYTES)
        try:
            return json_object(json.loads(file.read(int(header.nsymbt))))
        except (ValueError, RecursionError):
            return {}


def _voxel_size(header: Any, *, trusted: bool) -> tuple[PartialTriple, str]:
    found = []
    for axis, grid in (("z", header.mz), ("y", header.my), ("x", header.mx)):
        cell = float(header.cella[axis])
        found.append(length_nm(cell / int(grid), "Å") if int(grid) > 0 and cell > 0 else None)
    z, y, x = found
    if not trusted and all(v is not None and math.isclose(v, 0.1, rel_tol=1e-6) for v in found):
        return UNKNOWN, "Its header says 1 Å, which programs write when nobody has set it"
    return (z, y, x), ""


def _origin(header: Any) -> Triple:
    z, y, x = (float(header.origin[axis]) / 10 for axis in "zyx")
    return (z, y, x) if math.isfinite(z) and math.isfinite(y) and math.isfinite(x) else (0.0, 0.0, 0.0)


def write_mrc(
    volume: Volume, path: Path, planes: Iterator[AnyArray], *, metadata: dict[str, Any], overwrite: bool
) -> None:
    """Write an MRC2014 volume: lengths in Å (single precision), metadata as JSON in the extended header."""
    stored = mrcfile.utils.dtype_from_mode(_MODES[volume.dtype.name])
    own = json.dumps({"dtype": volume.dtype.name, "metadata": metadata}).encode("ascii")
    own += b" " * (-len(own) % 1024)
    header = _new_header(volume, n_extended=len(own))
    n_bytes = _HEADER_BYTES + len(own) + array_bytes(volume.shape, stored.itemsize)
    statistics = _Statistics()
    # Written, not memory-mapped: a full disk is then an OSError rather than a crash of the process.
    with replacing(path, overwrite=overwrite, n_bytes=n_bytes) as temporary, temporary.open("xb") as file:
        file.write(header.tobytes() + own)
        for plane in planes:
            statistics.add(plane)
            file.write(plane.astype(stored, copy=False).data)
        statistics.store(header)
        file.seek(0)
        file.write(header.tobytes())


def _new_header(volume: Volume, *, n_extended: int) -> Any:
    header = np.zeros((), mrcfile.dtypes.HEADER_DTYPE).view(np.recarray)
    header.nz, header.ny, header.nx = header.mz, header.my, header.mx = volume.shape
    header.mode = _MODES[volume.dtype.name]
    for axis, n, size, origin in zip("zyx", volume.shape, volume.voxel_size_nm, volume.origin_nm, strict=True):
        cell, start = 10 * size * n, 10 * origin
        if not (1e-30 < cell < 1e38 and abs(start) < 1e38):
            raise VolumeError(f"MRC cannot hold a voxel size of {size} nm or an origin of {origin} nm. Write OME-TIFF.")
        header.cella[axis], header.origin[axis] = cell, start
    header.cellb["alpha"] = header.cellb["beta"] = header.cellb["gamma"] = 90
    header.mapc, header.mapr, header.maps = 1, 2, 3
    header.ispg, header.nversion = 1, 20141
    header.nsymbt, header.exttyp = n_extended, _EXTENDED
    header.map = mrcfile.constants.MAP_ID
    header.machst = mrcfile.utils.machine_stamp_from_byte_order()
    header.nlabl = 1
    header.label[0] = f"napari-emgauss {volume.dtype.name}; JSON in the extended header".encode("ascii")
    return header


class _Statistics:
    """Minimum, maximum, mean and deviation of planes that pass by."""

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf
        self.n, self.total, self.squares = 0, 0.0, 0.0

    def add(self, plane: AnyArray) -> None:
        values = plane.astype(np.float64)
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.n += values.size
        self.total += float(values.sum())
        self.squares += float(np.square(values).sum())

    def store(self, header: Any) -> None:
        mean = self.total / self.n
        rms = math.sqrt(max(self.squares / self.n - mean**2, 0.0)) if math.isfinite(mean) else math.nan
        header.dmin, header.dmax, header.dmean, header.rms = self.low, self.high, mean, rms
