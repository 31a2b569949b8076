"""Headers of a job's files: what each is of, where it belongs, and a digest by which damage is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from napari_emgauss.errors import FileFormatError, OutOfMemoryError

VERSION = 4
DIGEST = "sha256"
MOST_BYTES = 96 * 2**20
"""Of a header in a file of its own."""
SMALLER = "Close other programs; if it cannot be so large, delete it: it is learned anew."
_UNUSABLE = (SafetensorError, ArithmeticError, KeyError, TypeError, ValueError, OSError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class JobIdentity:
    """What the files of a job say that they are of."""

    fingerprint: str
    """Of settings and a sample of the input."""
    input: str
    """Digest of all of the input; '' where that is not known, or not yet."""

    def header(self, path: Path, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return the header of a file of the job."""
        return {
            "version": VERSION,
            "fingerprint": self.fingerprint,
            "input": self.input,
            "place": _place(path),
            "values": dict(values),
            DIGEST: _digest(tensors, values),
        }

    def values(self, path: Path, header: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values in the header of a file, if it is of this job, and where it belongs.

        Raises
        ------
        FileFormatError
            It is of another version, of another job, or of another place in this one.
        KeyError, TypeError, ValueError
            It is no such header.
        """
        version = header.get("version")
        if version != VERSION:
            raise FileFormatError(
                f"{path} was written by another version of the program (format {version!r}; this one continues format "
                f"{VERSION}). Continue it with that version, choose another folder, or delete {path.parent.parent} to "
                "start anew."
            )
        if header["fingerprint"] != self.fingerprint or header["input"] not in ("", self.input):
            raise FileFormatError(
                f"{path} belongs to another stack or other settings. Resume with the same ones, "
                "or choose another folder."
            )
        if header["place"] != _place(path):
            raise FileFormatError(
                f"{path} holds what belongs in {header['place']}. Put it back there, and delete what has no file of "
                "its own any more: it is learned anew."
            )
        return dict(header["values"])


def _place(path: Path) -> str:
    """Return where a file belongs in its job's folder."""
    return f"{path.parent.name}/{path.name}"


@contextmanager
def explained(path: Path, job: Path) -> Iterator[None]:
    """Turn whatever reading a file of a job may raise into what to do.

    Raises
    ------
    FileFormatError
        It is damaged.
    PermissionError
        It may not be read.
    OutOfMemoryError
        It takes more than there is.
    """
    try:
        yield
    except FileFormatError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{path} takes more memory than there is ({error}). {SMALLER}") from error
    except PermissionError as error:
        raise PermissionError(
            f"{path} may not be read. Everybody who works on a job must be allowed to read and write its files."
        ) from error
    except _UNUSABLE as error:
        raise FileFormatError(
            f"{path} is not a usable checkpoint ({error}). Delete the folder {job} to start anew."
        ) from error


def read_header(path: Path) -> dict[str, Any]:
    """Return a header that is in a file of its own; raises ``OSError``, ``TypeError`` or ``ValueError`` otherwise."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    return dict(json.loads(path.read_bytes()))


def check_digest(tensors: Mapping[str, Tensor], values: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` unless tensors and values are those that the header was written with."""
    if header.get(DIGEST) != _digest(tensors, values):
        raise ValueError("it is damaged: its contents are not what was written")


def _digest(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> str:
    """Return a hash by which damage is told."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
