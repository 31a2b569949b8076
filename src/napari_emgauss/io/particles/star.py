"""Tables of STAR files, as RELION writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import gemmi
import numpy as np
import numpy.typing as npt

from napari_emgauss.errors import FileFormatError, ParticlesError
from napari_emgauss.io.guard import check_fits_memory, foreign_errors

_GROWTH = 12
"""Bytes in memory of a byte of the file, its strings included."""


@dataclass(frozen=True, eq=False)
class StarTable:
    """A table of texts.

    Parameters
    ----------
    path, name
        Named in errors.
    columns
        Texts of every row by the column's name, without its underscore.
    """

    path: Path
    name: str
    columns: Mapping[str, Sequence[str]]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def texts(self, name: str) -> Sequence[str]:
        """Return a column; raises `ParticlesError` where there is none."""
        self.require(name)
        return self.columns[name]

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """Return a column (n,) of finite numbers; raises `ParticlesError`."""
        texts = self.texts(name)
        try:
            values = np.array([float(text) for text in texts])
        except ValueError as error:
            raise ParticlesError(f"column _{name} of {self.path} must hold numbers: {error}.") from error
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ParticlesError(f"column _{name} of {self.path} holds {texts[row]!r} in row {row + 1}.")
        return values

    def require(self, *names: str) -> None:
        """Raise `ParticlesError` naming all columns that are missing."""
        missing = [f"_{name}" for name in names if name not in self.columns]
        if missing:
            raise ParticlesError(f"{self.path} has no column {', '.join(missing)} in its table {self.name or 'data_'}.")


def read_star(path: Path) -> list[StarTable]:
    """Read all tables of a STAR file.

    Raises
    ------
    FileFormatError
        It is no STAR file, or holds no table.
    OutOfMemoryError
        It would not fit.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Check the path.")
    check_fits_memory(path, _GROWTH * path.stat().st_size, what="the table")
    with foreign_errors(path, "a STAR file"):
        document = gemmi.cif.read_file(str(path))
        tables = [table for block in document for table in _tables(path, block)]
    if not tables:
        raise FileFormatError(f"{path} holds no table. Give the .star file of the particles.")
    return tables


def _tables(path: Path, block: gemmi.cif.Block) -> list[StarTable]:
    found = []
    for item in block:
        loop = item.loop
        if loop is None:
            continue
        columns = {
            tag.removeprefix("_"): [gemmi.cif.as_string(value) for value in block.find_values(tag)] for tag in loop.tags
        }
        found.append(StarTable(path, block.name.strip(), columns))
    pairs = {}
    for item in block:
        if (pair := cast("tuple[str, str] | None", item.pair)) is not None:
            pairs[pair[0].removeprefix("_")] = [gemmi.cif.as_string(pair[1])]
    if pairs:  # a table of one row may be written as a list
        found.append(StarTable(path, block.name.strip(), pairs))
    return found
