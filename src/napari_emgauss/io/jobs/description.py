"""``job.json``: what a job is of, so that any process can work on it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.guard import json_object
from napari_emgauss.io.jobs.headers import explained

VERSION = 1
NAME = "job.json"
MOST_BYTES, MOST_BLOCKS, MOST_ALONG = 64 * 2**20, 10**6, 2**20
"""Of the file; of a plan; pixels of a stack along an axis."""
Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class JobDescription:
    """What a job is of: all that another process needs, besides the folder's records, to train a block of it."""

    method: str
    """Name of the method."""
    fingerprint: str
    """Identity of input and settings."""
    settings: Mapping[str, Any]
    """The method's settings, plain JSON values."""
    source: Mapping[str, Any] | None
    """How the input is opened again, plain JSON values; None where it is in the memory of one process only."""
    spans: tuple[tuple[Span, ...], ...] = ()
    """Plan of the blocks: half-open ranges along each axis, whose product are the blocks, the last axis fastest. Empty
    until the plan is known."""
    version: int = field(default=VERSION)

    @property
    def n_blocks(self) -> int:
        """Number of blocks; 0 until the plan is known."""
        return math.prod(map(len, self.spans)) if self.spans else 0

    def boxes(self) -> list[tuple[Span, ...]]:
        """Return the range of every block along each axis."""
        return list(product(*self.spans)) if self.spans else []

    def sizes(self) -> list[int]:
        """Return the pixels of every block."""
        return [math.prod(stop - start for start, stop in box) for box in self.boxes()]

    def save(self, folder: Path) -> None:
        """Write it, or replace that of the same job; a plan that it has is kept until there is another.

        Raises
        ------
        FileFormatError
            The folder is that of another job.
        """
        before = read_description(folder)
        if before is not None:
            before.check_same(self.fingerprint, folder)
            if not self.spans:
                return
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps(asdict(self), indent=1).encode()
        with replacing(folder / NAME, overwrite=True, n_bytes=len(content)) as temporary:
            temporary.write_bytes(content)

    def check_same(self, fingerprint: str, folder: Path) -> None:
        """Raise `FileFormatError` unless this is the description of a job with ``fingerprint``."""
        if self.fingerprint != fingerprint:
            name = json_object(self.source).get("path", "another stack")
            raise FileFormatError(
                f"{folder} is the job of another stack or other settings (it is of {name}). Continue it with the same "
                "ones, or choose another folder."
            )


def read_description(folder: Path) -> JobDescription | None:
    """Return what the job in a folder is of; None if it holds none.

    Raises
    ------
    FileFormatError
        It is of another version of the program, or damaged.
    PermissionError
        It may not be read.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    with explained(path, folder):
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES} bytes")
        values = json_object(json.loads(path.read_bytes()))
        if (version := values.get("version")) != VERSION:
            raise FileFormatError(
                f"{folder} is a job of another version of the program (format {version!r}; this one works on format "
                f"{VERSION}). Continue it with that version, choose another folder, or delete it to start anew."
            )
        spans = tuple(tuple((int(a), int(b)) for a, b in axis) for axis in values["spans"])
        if not all(0 <= a < b <= MOST_ALONG for axis in spans for a, b in axis):
            raise ValueError("its plan of blocks is impossible")
        if math.prod(map(len, spans)) > MOST_BLOCKS:
            raise ValueError(f"its plan has {math.prod(map(len, spans))} blocks; at most {MOST_BLOCKS} are possible")
        source = values["source"]
        return JobDescription(
            method=str(values["method"]),
            fingerprint=str(values["fingerprint"]),
            settings=json_object(values["settings"]),
            source=None if source is None else json_object(source),
            spans=spans,
        )
