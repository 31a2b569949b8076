"""Scores of methods on slices, as tables and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from napari_emgauss.evaluation.results import aligned
from napari_emgauss.io.atomic import replacing


@dataclass(frozen=True, kw_only=True)
class SliceScore:
    """Scores and costs of one method on simulated stacks; NaN where something does not apply."""

    method: str
    psnr_db: float
    ssim: float
    correlation: float
    motion_deg: float
    """Root mean square of the angles by which slices are wrong, without what they have in common."""
    motion_mm: float
    """Likewise of the distances by which their pivots are."""
    seconds: float
    memory_mib: float
    """Peak resident memory above that before."""
    weight_of_damaged: float
    """The largest."""
    weight_of_sound: float
    """The smallest."""


@dataclass(frozen=True, kw_only=True)
class LeftOutScore:
    """How well a stack is predicted that a method did not see: medians over its slices of a correlation."""

    method: str
    as_they_lie: float
    """At the places of the header."""
    stack_registered: float
    """After one rigid registration of the whole stack."""
    slices_registered: float
    """After that of each slice."""
    seconds: float
    memory_mib: float


Row = TypeVar("Row", SliceScore, LeftOutScore)


@dataclass(frozen=True, eq=False)
class SliceEvaluation:
    """Scores of several methods on the same simulated stacks."""

    methods: tuple[SliceScore, ...]
    known_motion: bool
    shape: tuple[int, ...]
    """Voxels of the truth (z, y, x)."""
    n_stacks: int

    def __getitem__(self, method: str) -> SliceScore:
        """Return the scores of one method by its name."""
        return _find(self.methods, method)

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Return aligned plain text."""
        head = (
            f"{self.n_stacks} stacks simulated from {' × '.join(map(str, self.shape))} voxels, their motion "
            f"{'' if self.known_motion else 'not '}known. PSNR in dB, in the mask, after a rigid alignment."
        )
        titles = ("method", "PSNR", "SSIM", "corr", "deg", "mm", "s", "MiB", "w damaged", "w sound")
        rows = [
            [row.method, *_numbers(list(asdict(row).values())[1:], (2, 4, 4, 2, 2, 1, 0, 2, 2))] for row in self.methods
        ]
        return f"{head}\n\n{aligned(titles, rows)}\n"

    def to_json(self, path: str | Path) -> None:
        """Write everything; what is not finite becomes null."""
        _write_json(path, {"known_motion": self.known_motion, "shape": self.shape, "methods": _records(self.methods)})


@dataclass(frozen=True, eq=False)
class LeftOutEvaluation:
    """Scores of several methods on the same stack that was left out."""

    methods: tuple[LeftOutScore, ...]
    left_out: str
    n_slices: int

    def __getitem__(self, method: str) -> LeftOutScore:
        """Return the scores of one method by its name."""
        return _find(self.methods, method)

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Return aligned plain text."""
        head = f"{self.left_out} left out: median correlation of its {self.n_slices} slices with what is predicted."
        titles = ("method", "as they lie", "stack registered", "slices registered", "s", "MiB")
        rows = [[row.method, *_numbers(list(asdict(row).values())[1:], (3, 3, 4, 1, 0))] for row in self.methods]
        return f"{head}\n\n{aligned(titles, rows)}\n"

    def to_json(self, path: str | Path) -> None:
        """Write everything; what is not finite becomes null."""
        _write_json(path, {"left_out": self.left_out, "methods": _records(self.methods)})


def _find(rows: Sequence[Row], method: str) -> Row:
    for row in rows:
        if row.method == method:
            return row
    raise KeyError(f"no method {method!r} was scored; there are {', '.join(row.method for row in rows)}")


def _numbers(values: Sequence[float], digits: Sequence[int]) -> list[str]:
    return ["–" if math.isnan(v) else f"{v:.{d}f}" for v, d in zip(values, digits, strict=True)]


def _records(rows: Sequence[SliceScore] | Sequence[LeftOutScore]) -> list[dict[str, Any]]:
    return [{key: _finite_or_none(value) for key, value in asdict(row).items()} for row in rows]


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_json(path: str | Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(Path(path), overwrite=True, n_bytes=len(text)) as temporary:
        temporary.write_text(text, encoding="utf-8")
