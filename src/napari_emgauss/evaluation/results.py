"""Results of an evaluation, as a table, CSV, JSON, figure and verdict."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._types import Triple
from napari_emgauss.evaluation.sources import MethodKind
from napari_emgauss.evaluation.views import FigureView
from napari_emgauss.io.atomic import replacing

SSIM_WINDOW = "Gaussian 11 × 11, σ 1.5 px, population covariance"
MARGIN_DB, MARGIN_SSIM = 0.05, 0.002
"""Gains below these are a draw: another seed moves a reconstruction's scores by as much."""


@dataclass(frozen=True)
class SectionScore:
    """Scores of one withheld section."""

    method: str
    z_voxel: int
    phase: int
    """z_voxel mod factor: 1 and factor − 1 are next to an observed section."""
    psnr_db: float
    ssim: float
    fsim: float


@dataclass(frozen=True)
class PhaseScore:
    """Mean scores of all withheld sections at one position between two observed ones."""

    method: str
    phase: int
    psnr_db: float
    ssim: float
    fsim: float


@dataclass(frozen=True, kw_only=True)
class MethodScore:
    """Mean scores and costs of one method; NaN where something was not measured."""

    method: str
    kind: MethodKind
    psnr_db: float
    ssim: float
    fsim: float
    xz_psnr_db: float
    xz_ssim: float
    yz_psnr_db: float
    yz_ssim: float
    fit_seconds: float
    """Until the method could draw; training, if it trains."""
    render_seconds: float
    """All sections of the isotropic volume."""
    memory_mib: float
    """Peak resident memory while fitting and rendering, above that before."""
    process_peak_mib: float
    """Peak of the whole process up to the end of this method."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Scores of several methods on the withheld sections of one volume."""

    factor: int
    shape: tuple[int, int, int]
    """Part of the volume that was used, (Z, Y, X)."""
    voxel_size_nm: Triple
    methods: tuple[MethodScore, ...]
    sections: tuple[SectionScore, ...]
    truth_view: FigureView = field(repr=False)
    views: tuple[FigureView, ...] = field(repr=False)

    def __getitem__(self, method: str) -> MethodScore:
        """Return the mean scores of one method by its name."""
        for score in self.methods:
            if score.method == method:
                return score
        raise KeyError(f"no method {method!r} was scored; there are {', '.join(s.method for s in self.methods)}")

    def __str__(self) -> str:
        return f"{self.table()}\n{self.verdict()}"

    @property
    def phases(self) -> tuple[PhaseScore, ...]:
        """Mean scores per method and phase."""
        means = []
        for method in self.methods:
            for phase in range(1, self.factor):
                rows = [s for s in self.sections if s.method == method.method and s.phase == phase]
                mean = (float(np.mean([getattr(row, name) for row in rows])) for name in ("psnr_db", "ssim", "fsim"))
                means.append(PhaseScore(method.method, phase, *mean))
        return tuple(means)

    def table(self) -> str:
        """Return aligned plain text: means and costs, then each phase."""
        n_z, n_y, n_x = self.shape
        n_kept = (n_z - 1) // self.factor + 1
        head = (
            f"{n_z} × {n_y} × {n_x} voxels, one section in {self.factor} kept: "
            f"scores of the {n_z - n_kept} withheld ones on intensities in [0, 1].\n"
            f"SSIM window: {SSIM_WINDOW}. PSNR in dB. xz, yz: withheld rows of these planes."
        )
        titles = (
            "method",
            "PSNR",
            "SSIM",
            "FSIM",
            "xz PSNR",
            "xz SSIM",
            "yz PSNR",
            "yz SSIM",
            "fit s",
            "draw s",
            "MiB",
        )
        digits = (2, 4, 4, 2, 4, 2, 4, 1, 1, 0)
        names = [f.name for f in fields(MethodScore)][2:-1]
        means = [
            [m.method, *(_number(getattr(m, name), d) for name, d in zip(names, digits, strict=True))]
            for m in self.methods
        ]
        by_phase = [
            [m.method, *(f"{p.psnr_db:.2f}/{p.ssim:.3f}" for p in self.phases if p.method == m.method)]
            for m in self.methods
        ]
        phase_titles = ("PSNR/SSIM at", *(f"{phase}/{self.factor}" for phase in range(1, self.factor)))
        return f"{head}\n\n{aligned(titles, means)}\n\n{aligned(phase_titles, by_phase)}\n"

    def verdict(self) -> str:
        """Name the best plain baseline, and say whether each reconstruction beats it in PSNR and in SSIM."""
        baselines = [m for m in self.methods if m.kind == "baseline"]
        others = [m for m in self.methods if m.kind == "reconstruction"]
        if not baselines:
            return "No plain baseline was scored, so nothing says whether a reconstruction pays: add flow+blur."
        best, best_ssim = max(baselines, key=lambda m: m.psnr_db), max(baselines, key=lambda m: m.ssim)
        sentence = f"Best plain baseline on this stack: {best.method} ({best.psnr_db:.2f} dB, SSIM {best.ssim:.3f})"
        if best_ssim is not best:
            sentence += f"; highest SSIM: {best_ssim.method} ({best_ssim.ssim:.3f})"
        return " ".join([sentence + ".", *(self._comparison(m, best, best_ssim) for m in others)])

    def to_csv(self, path: str | Path) -> None:
        """Write one row per method (scope mean), phase and withheld section; cells that do not apply are empty."""
        columns = ["scope", "phase", "z_voxel", *(f.name for f in fields(MethodScore))]
        with (
            replacing(Path(path), overwrite=True, n_bytes=0) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            for scope, rows in (("mean", self.methods), ("phase", self.phases), ("section", self.sections)):
                for row in rows:
                    writer.writerow({"scope": scope, **{k: _finite_or(v, "") for k, v in asdict(row).items()}})

    def to_json(self, path: str | Path) -> None:
        """Write everything but the images; values that are not finite become null."""
        content = {
            "factor": self.factor,
            "shape": self.shape,
            "voxel_size_nm": self.voxel_size_nm,
            "ssim_window": SSIM_WINDOW,
            "verdict": self.verdict(),
            "methods": [_record(m) for m in self.methods],
            "phases": [_record(p) for p in self.phases],
            "sections": [_record(s) for s in self.sections],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        with replacing(Path(path), overwrite=True, n_bytes=len(text)) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def figure(self, path: str | Path) -> None:
        """Write a figure: a withheld section, each method's, their errors, and an xz plane. Format by the suffix."""
        from napari_emgauss.evaluation.figure import draw_figure  # matplotlib only when it is asked for

        here_db = {s.method: s.psnr_db for s in self.sections if s.z_voxel == self.truth_view.z_voxel}
        means = {m.method: f"mean {m.psnr_db:.2f} dB, SSIM {m.ssim:.3f}" for m in self.methods}
        draw_figure(Path(path), self.truth_view, self.views, means, here_db, self.voxel_size_nm)

    def _comparison(self, method: MethodScore, best: MethodScore, best_ssim: MethodScore) -> str:
        gain_db, gain_ssim = method.psnr_db - best.psnr_db, method.ssim - best_ssim.ssim
        reference = {s.z_voxel: s.psnr_db for s in self.sections if s.method == best.method}
        own = [s for s in self.sections if s.method == method.method]
        n_better = sum(s.psnr_db > reference[s.z_voxel] for s in own)
        better_db, better_ssim = gain_db >= MARGIN_DB, gain_ssim >= MARGIN_SSIM
        if better_db and better_ssim:
            judged = "beats it"
        elif not better_db and not better_ssim:
            judged = "does not beat it"
        else:
            judged = "is better in " + ("PSNR" if better_db else "SSIM") + " only"
        return (
            f"{method.method} {judged}: {gain_db:+.2f} dB, {gain_ssim:+.3f} SSIM, "
            f"higher PSNR on {n_better} of {len(own)} withheld sections."
        )


def _record(row: MethodScore | PhaseScore | SectionScore) -> dict[str, Any]:
    return {name: _finite_or(value, None) for name, value in asdict(row).items()}


def _finite_or(value: Any, missing: Any) -> Any:
    return missing if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def aligned(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain-text table: first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    lines = [titles, *rows]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in lines
    )
