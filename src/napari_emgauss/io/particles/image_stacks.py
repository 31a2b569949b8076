"""Images of particles in MRC stacks, read one batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import mrcfile.dtypes
import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import FileFormatError, ParticlesError
from napari_emgauss.io.guard import array_bytes, check_file_holds, foreign_errors
from napari_emgauss.io.source import PlainArray

HEADER_BYTES = 1024
_MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_ORDERS: tuple[Literal["<"], Literal[">"]] = ("<", ">")
_LARGEST_SIDE = 2**15
_LONGEST_NAME = 255
"""Bytes, of a file or folder."""
SUFFIXES = (".mrcs", ".mrc", ".st")


@dataclass(frozen=True)
class StackFile:
    """Where the images of an MRC stack lie in its file."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]

    @classmethod
    def open(cls, path: Path) -> StackFile:
        """Read the header of a stack; RELION's, which lack the mark of MRC files, are understood.

        Raises
        ------
        FileNotFoundError, FileFormatError
            There is no such file, or it is truncated, damaged or of another kind.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist. Give the folder that the images' names begin in: data_dir (--data-dir)."
            )
        with foreign_errors(path, "an MRC stack"):
            check_file_holds(path, HEADER_BYTES, declared="an MRC header")
            with path.open("rb") as file:
                raw = file.read(HEADER_BYTES)
            for order in _ORDERS:
                header = np.frombuffer(raw, mrcfile.dtypes.HEADER_DTYPE.newbyteorder(order))[0]
                shape = int(header["nz"]), int(header["ny"]), int(header["nx"])
                if int(header["mode"]) in _MODES and all(side > 0 for side in shape) and max(shape[1:]) < _LARGEST_SIDE:
                    break
            else:
                raise ValueError("its header declares no images of a known type")
            extended = int(header["nsymbt"])
            if extended < 0:
                raise ValueError(f"its header declares an extended header of {extended} bytes")
            dtype = np.dtype(_MODES[int(header["mode"])]).newbyteorder(order)
            needed = HEADER_BYTES + extended + array_bytes(shape, dtype.itemsize)
            check_file_holds(path, needed, declared=f"{shape} {dtype.name}")
        return cls(path, HEADER_BYTES + extended, dtype, shape)

    def image(self, index: int) -> FloatArray:
        """Return an image (Y, X), float32, with finite values."""
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path} is gone; it was there when the particles were read. Put it back.")
        with foreign_errors(self.path, "an MRC stack"):
            whole = slice(0, self.shape[1], 1), slice(0, self.shape[2], 1)
            array = PlainArray(self.path, self.offset, self.dtype, self.shape)
            image: FloatArray = array.fetch(slice(index, index + 1, 1), *whole)[0].astype(np.float32)
        if not np.isfinite(image).all():
            raise FileFormatError(f"image {index + 1} of {self.path} has NaN or infinite pixels. Leave it out.")
        return image


@dataclass(frozen=True, eq=False)
class FileImages:
    """Images of particles that lie in several stacks.

    Parameters
    ----------
    files
        The stacks.
    file_of, index_of
        Of every particle (n,): the stack, and the image in it, counted from 0.
    """

    files: Sequence[StackFile]
    file_of: npt.NDArray[np.int64]
    index_of: npt.NDArray[np.int64]

    @classmethod
    def open(cls, paths: Sequence[Path], file_of: npt.NDArray[np.int64], index_of: npt.NDArray[np.int64]) -> FileImages:
        """Open the headers of all stacks and check that they hold every image, in one size.

        Raises
        ------
        ParticlesError
            Box sizes that differ, or an image that a stack does not hold.
        """
        files = [StackFile.open(path) for path in paths]
        boxes = {file.shape[1:] for file in files}
        if len(boxes) > 1:
            named = ", ".join(f"{height} × {width}" for height, width in sorted(boxes))
            raise ParticlesError(
                f"all particles must have one box size, got {named} px. Extract them again in one box."
            )
        counts = np.array([file.shape[0] for file in files])
        wrong = np.flatnonzero((index_of < 0) | (index_of >= counts[file_of]))
        if wrong.size:
            first = int(wrong[0])
            path = files[int(file_of[first])].path
            raise ParticlesError(
                f"particle {first + 1} is image {int(index_of[first]) + 1} of {path}, which holds "
                f"{int(counts[file_of[first]])} images. Use the stack that the table was written for."
            )
        return cls(files, file_of, index_of)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files that the images are read from."""
        return tuple(file.path for file in self.files)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images and their sides."""
        return len(self.index_of), *self.files[0].shape[1:]

    def read(self, indices: Sequence[int]) -> FloatArray:
        """Return images (k, box, box), read one by one from their files."""
        images = np.empty((len(indices), *self.shape[1:]), np.float32)
        for out, i in zip(images, indices, strict=True):
            out[:] = self.files[int(self.file_of[i])].image(int(self.index_of[i]))
        return images


def resolve_stacks(names: Sequence[str], folders: Sequence[Path]) -> Mapping[str, Path]:
    """Find the files that a table names, each in the first of ``folders`` that has it.

    Raises
    ------
    FileFormatError
        A name leads out of the folders: a table from elsewhere must not make the program read other files.
    FileNotFoundError
        No folder has it.
    """
    roots = [folder.resolve() for folder in folders]
    inside = lru_cache(maxsize=None)(lambda path: any(path.is_relative_to(root) for root in roots))
    found: dict[str, Path] = {}
    for name in dict.fromkeys(names):
        if "\0" in name or max(len(part.encode(errors="replace")) for part in name.split("/")) > _LONGEST_NAME:
            raise FileFormatError(
                f"the table of {' or '.join(map(str, roots))} names {name[:100]!r}, which no file can be called. It is "
                "damaged."
            )
        candidates = [(root / name).resolve() for root in roots]
        allowed = [path for path in candidates if inside(path)]
        if not allowed:
            raise FileFormatError(
                f"the table names {name!r}, which lies outside of {' and '.join(map(str, roots))}. "
                "Give its folder as data_dir (--data-dir) if it should be read."
            )
        there = next((path for path in allowed if path.is_file()), None)
        if there is None:
            raise FileNotFoundError(
                f"{name} was found in none of {', '.join(map(str, roots))}. "
                "Give the folder that the images' names begin in as data_dir (--data-dir)."
            )
        found[name] = there
    return found
