"""Model files of all methods: safetensors (no pickle) with a JSON header that names the method.

The header is checked when the file is opened; tensors are read when they are asked for, so that a large model takes the
memory of the blocks in use. What the header means is the method's.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from napari_emgauss.errors import ModelFileError
from napari_emgauss.io.atomic import replacing

KEY = "napari-emgauss"
VERSION = 5
OLDEST_VERSION = 1
"""Versions 1 to 3 named no method; they are all of this one:"""
FIRST_METHOD = "emgauss"
MAX_HEADER_BYTES = 64 * 2**20
_DTYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "uint8": "U8"}


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
        _check_header_size(self.path)
        try:
            file: Any = safe_open(self.path, framework="pt")
            text = (file.metadata() or {}).get(KEY)
            header = None if text is None else json.loads(text)
            self._shapes = {
                name: (part.get_dtype(), tuple(part.get_shape()))
                for name in file.keys()  # noqa: SIM118
                for part in [file.get_slice(name)]
            }
        except (SafetensorError, ValueError, OSError, RecursionError) as error:
            raise ModelFileError(f"{self.path} is not a usable model: {error}") from error
        if header is None:
            raise ModelFileError(f"{self.path} is a safetensors file but no napari-emgauss model.")
        if not isinstance(header, dict):
            raise ModelFileError(f"{self.path} is not a usable model: its header is no object.")
        self._file = file
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
        return list(self._shapes)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it; raises ``KeyError``."""
        return self._shapes[name][1]

    def dtype(self, name: str) -> str:
        """Return the type of a tensor as safetensors names it, like ``F32``, without reading it."""
        return str(self._shapes[name][0])

    def tensor(self, name: str) -> Tensor:
        """Read one tensor.

        Raises
        ------
        ModelFileError
            The file does not hold it, or can no longer be read.
        """
        try:
            tensor: Tensor = self._file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelFileError(f"{self.path} does not hold the tensor {name!r}: {error}") from error
        return tensor

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Read the tensors whose names begin with ``prefix``, by the rest of their names."""
        return {name.removeprefix(prefix): self.tensor(name) for name in self._shapes if name.startswith(prefix)}


def write_container(
    path: str | Path, method: str, header: Mapping[str, Any], tensors: Iterable[tuple[str, Tensor]]
) -> Path:
    """Write a model file whole or not at all, with one tensor in memory at a time; replaces an existing file.

    Parameters
    ----------
    path
        Target; its folder is created.
    method
        Name of the method that reads it.
    header
        Plain JSON values.
    tensors
        Names and tensors, made as they are asked for.

    Raises
    ------
    OSError
        The file cannot be written, or the disk is full; an earlier file is as it was.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; a model is a file. Choose another name.")
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
                        "dtype": _DTYPES[array.dtype.name],
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


def _check_header_size(path: Path) -> None:
    """Refuse a file whose declared header is larger than a header can be, before anything is allocated."""
    with path.open("rb") as file:
        start = file.read(8)
    if len(start) < 8:
        raise ModelFileError(f"{path} is truncated: {len(start)} bytes; a model has at least a header.")
    (n_bytes,) = struct.unpack("<Q", start)
    if n_bytes > min(MAX_HEADER_BYTES, path.stat().st_size - 8):
        raise ModelFileError(
            f"{path} is no model, or truncated: it declares a header of {n_bytes} bytes; at most "
            f"{MAX_HEADER_BYTES} and the file's own size are possible."
        )
