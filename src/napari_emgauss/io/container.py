"""Model files of all methods: safetensors (no pickle) with a JSON header that names the method.

The header is checked when the file is opened; tensors are read when they are asked for, so that a large model takes the
memory of the blocks in use. What the header means is the method's.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_emgauss.errors import ConfigError, ModelFileError
from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.guard import json_object

KEY = "napari-emgauss"
SUFFIX = ".emgauss"
VERSION = 5
OLDEST_VERSION = 1
"""Versions 1 to 3 named no method; they are all of this one:"""
FIRST_METHOD = "emgauss"
MAX_HEADER_BYTES = 64 * 2**20
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


@dataclass(frozen=True)
class _Stored:
    """A tensor in a file: its type as safetensors names it, its shape, and where its bytes begin and end."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class Container:
    """An open model file.

    Parameters
    ----------
    path
        The file. It stays open, so that a model goes on rendering when another takes the file's name.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        The file is truncated, foreign, oversized, or of a later version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path} does not exist or is not a file. Give the path of an .emgauss model.")
        self._file = self.path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        try:
            about, data = _read_header(self._file, self.path)
            text = json_object(about.pop("__metadata__", {})).get(KEY)
            header = None if text is None else json.loads(text)
            self._stored = _checked(about, data, self.path.stat().st_size)
        except (ValueError, TypeError, KeyError, OSError, RecursionError) as error:
            raise ModelFileError(f"{self.path} is not a usable model: {error}") from error
        if header is None:
            raise ModelFileError(
                f"{self.path} is a safetensors file but no napari-emgauss model. Give one that this program has saved."
            )
        if not isinstance(header, dict):
            raise ModelFileError(f"{self.path} is not a usable model: its header is no object.")
        self.header: dict[str, Any] = header
        version = header.get("version")
        if type(version) is not int or version not in range(OLDEST_VERSION, VERSION + 1):
            raise ModelFileError(
                f"the model {self.path} has format version {version}; this program reads up to version {VERSION}. "
                "Update napari-emgauss."
            )
        self.version = version
        self.method = str(header.get("method", FIRST_METHOD))

    @property
    def names(self) -> list[str]:
        """Names of all tensors."""
        return list(self._stored)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it; raises ``KeyError``."""
        return self._stored[name].shape

    def dtype(self, name: str) -> str:
        """Return the type of a tensor as safetensors names it, like ``F32``, without reading it."""
        return self._stored[name].dtype

    def tensor(self, name: str) -> Tensor:
        """Read one tensor. It is read, not mapped: a file that was cut short meanwhile is an error, not a crash.

        Raises
        ------
        ModelFileError
            The file does not hold it, or can no longer be read.
        """
        if name not in self._stored:
            raise ModelFileError(f"{self.path} does not hold the tensor {name!r}.")
        stored = self._stored[name]
        data = bytearray(stored.end - stored.start)
        try:
            with self._lock:
                self._file.seek(stored.start)
                n_read = _fill(self._file, data)
        except OSError as error:
            raise ModelFileError(f"{self.path} can no longer be read: {error}") from error
        if n_read != len(data):
            raise ModelFileError(f"{self.path} was cut short after it was opened. Copy or save it again.")
        if not data:
            return torch.empty(stored.shape, dtype=_DTYPES[stored.dtype])
        return torch.frombuffer(data, dtype=_DTYPES[stored.dtype]).reshape(stored.shape)

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Read the tensors whose names begin with ``prefix``, by the rest of their names."""
        return {name.removeprefix(prefix): self.tensor(name) for name in self._stored if name.startswith(prefix)}


def check_model_name(path: str | Path) -> None:
    """Raise `ConfigError` unless a name is that of a model: a model must not take the place of another kind of file."""
    if Path(path).suffix.lower() != SUFFIX:
        raise ConfigError(f"a model is saved as {SUFFIX}, got {Path(path).name!r}. Name it {Path(path).stem}{SUFFIX}.")


def write_container(
    path: str | Path, method: str, header: Mapping[str, Any], tensors: Iterable[tuple[str, Tensor]]
) -> Path:
    """Write a model file whole or not at all, with one tensor in memory at a time; replaces an existing file.

    Parameters
    ----------
    path
        Target, with the suffix .emgauss; its folder is created.
    method
        Name of the method that reads it.
    header
        Plain JSON values.
    tensors
        Names and tensors, made as they are asked for.

    Raises
    ------
    ConfigError
        The suffix is another.
    OSError
        The file cannot be written, or the disk is full; an earlier file is as it was.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; a model is a file. Choose another name.")
    check_model_name(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"__metadata__": {KEY: json.dumps({"method": method, "version": VERSION, **header})}}
    with replacing(target, overwrite=True, n_bytes=0) as temporary:
        # The offsets come before the data but are known after them.
        data = temporary.with_suffix(".data")
        try:
            with data.open("wb") as file:
                for name, tensor in tensors:
                    start = file.tell()
                    array = tensor.detach().cpu().contiguous().numpy()
                    file.write(array.tobytes())
                    about[name] = {
                        "dtype": _NAMES[tensor.dtype],
                        "shape": list(tensor.shape),
                        "data_offsets": [start, file.tell()],
                    }
            text = json.dumps(about).encode()
            if len(text) > MAX_HEADER_BYTES - 8:
                raise ModelFileError(
                    f"the model's header would take {len(text)} bytes; at most {MAX_HEADER_BYTES} can be read again. "
                    "Use larger tiles, so that there are fewer blocks."
                )
            text += b" " * (-len(text) % 8)
            with temporary.open("wb") as whole, data.open("rb") as file:
                whole.write(struct.pack("<Q", len(text)) + text)
                shutil.copyfileobj(file, whole, 2**20)
        finally:
            data.unlink(missing_ok=True)
    return target


def _fill(file: RawIOBase, data: bytearray) -> int:
    """Read as many bytes as there are, however few a single read gives; return their number."""
    view = memoryview(data)
    while view and (n_read := file.readinto(view)):
        view = view[n_read:]
    return len(data) - len(view)


def _read_header(file: RawIOBase, path: Path) -> tuple[dict[str, Any], int]:
    """Return what a file declares, and where its data begin; a header larger than one can be is not read."""
    start = bytearray(8)
    if (n_read := _fill(file, start)) < 8:
        raise ModelFileError(f"{path} is truncated: {n_read} bytes; a model has at least a header.")
    (n_bytes,) = struct.unpack("<Q", start)
    if n_bytes > min(MAX_HEADER_BYTES, path.stat().st_size - 8):
        if path.suffix.lower() != SUFFIX:
            raise ModelFileError(
                f"{path} is no model: a model is a {SUFFIX} file, as save writes it. Volumes are read with read, "
                "stacks of slices with read_stack, particles with read_particles."
            )
        raise ModelFileError(
            f"{path} is no model, or truncated: it declares a header of {n_bytes} bytes; at most "
            f"{MAX_HEADER_BYTES} and the file's own size are possible."
        )
    text = bytearray(n_bytes)
    _fill(file, text)
    about = json.loads(text)
    if not isinstance(about, dict):
        raise ValueError("its header is no object")
    return about, 8 + n_bytes


def _checked(about: dict[str, Any], data: int, size: int) -> dict[str, _Stored]:
    """Return the tensors that a header declares; ``ValueError`` unless they fill the file, one after the other."""
    stored, end = {}, data
    for name, part in sorted(about.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape, (first, last) = part["dtype"], part["shape"], part["data_offsets"]
        whole = all(type(n) is int and n >= 0 for n in [*shape, first, last])
        if dtype not in _DTYPES or not whole or last - first != math.prod(shape) * _DTYPES[dtype].itemsize:
            raise ValueError(f"the tensor {name!r} is of an unknown type, or its size is not what its shape takes")
        if data + first != end:
            raise ValueError(f"the tensor {name!r} does not begin where the one before it ends")
        end = data + last
        stored[name] = _Stored(dtype, tuple(shape), data + first, end)
    if end != size:
        raise ValueError(f"its tensors end at byte {end}, the file at byte {size}: it is truncated or damaged")
    return stored
