"""The results in one picture, losses included: ``python -m benchmarks.results_figure docs/images/results.png``.

It draws what the pages under docs/lab say, and measures nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import tyro
from tyro.conf import Positional

LAB = Path(__file__).resolve().parents[1] / "docs" / "lab"
VOLUMES = {
    "fib25_sample2": "FIB-25 (fly):\nthe prior knows another part",
    "epfl_ca1_crop": "EPFL (mouse):\nthe prior never saw any",
}
SCORES = {"PSNR mean": "PSNR (dB)", "SSIM mean": "SSIM", "FSIM min": "FSIM against linear, worst crop"}
METHOD = "balanced"
GAIN, LOSS = "#3b7dbd", "#c8502d"


@dataclass(frozen=True)
class Segmented:
    """Scores of a segmentation: of the truth, of the best interpolation and of the reconstruction."""

    title: str
    truth: float
    plain: float
    ours: float
    smaller_is_better: bool

    @property
    def won(self) -> bool:
        """Whether the reconstruction is segmented better than the best interpolation."""
        return (self.ours < self.plain) == self.smaller_is_better


def tables(page: str, section: str) -> list[list[dict[str, str]]]:
    """Return the tables of the section whose heading begins with ``section``, each row by its columns' names."""
    found: list[list[dict[str, str]]] = []
    inside, columns = False, None
    for line in page.splitlines():
        if line.startswith("## "):
            inside = line[3:].startswith(section)
        if not inside or not line.startswith("|"):
            columns = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if columns is None:
            columns, rows = cells, []
            found.append(rows)
        elif not set(line) <= set("|-: "):
            found[-1].append(dict(zip(columns, cells, strict=True)))
    return found


def gains(page: str, volume: str) -> dict[str, dict[str, float]]:
    """Return by factor what `METHOD` gains over the best plain method on report crops, by score."""
    rows = [row for row in tables(page, volume)[0] if row["method"] == METHOD and "report crop" in row["where"]]
    rows.sort(key=lambda row: int(row["factor"][1:]))
    return {row["factor"]: {score: float(row[score]) for score in SCORES} for row in rows}


def segmented(page: str, section: str, label: str, score: str, title: str, *, smaller_is_better: bool) -> Segmented:
    """Read one score of the page of segmentations."""
    values = {row[label]: float(row[score]) for row in tables(page, section)[0]}
    truth, ours = values.pop("truth"), values.pop(f"emgauss:{METHOD}")
    plain = min(values.values()) if smaller_is_better else max(values.values())
    return Segmented(title, truth, plain, ours, smaller_is_better)


def _draw_gains(axes: Sequence[Any], by_factor: dict[str, dict[str, float]], volume: str) -> None:
    for axis, (score, name) in zip(axes, SCORES.items(), strict=True):
        heights = [values[score] for values in by_factor.values()]
        bars = axis.bar(list(by_factor), heights, color=[GAIN if h > 0 else LOSS for h in heights], width=0.6)
        digits = 2 if score.startswith("PSNR") else 3
        labels = [f"{height:+.{digits}f}".replace("-", "−") for height in heights]
        axis.bar_label(bars, labels, fontsize=8, padding=2)
        axis.axhline(0, color="black", linewidth=0.8, clip_on=False)
        axis.margins(y=0.2)
        axis.set_title(name, fontsize=9)
        axis.set_yticks([])
        axis.spines[["top", "right", "left", "bottom"]].set_visible(False)
        axis.tick_params(length=0)
    axes[0].set_ylabel(volume, fontsize=9)


def _draw_segmented(axis: Any, of: Segmented) -> None:
    names = ["truth", "best interpolation", "reconstruction"]
    bars = axis.barh(names, [of.truth, of.plain, of.ours], color=["#999999", "#cccccc", GAIN if of.won else LOSS])
    axis.bar_label(bars, fmt="%.2f", fontsize=8, padding=3)
    axis.invert_yaxis()
    axis.margins(x=0.2)
    axis.set_title(of.title, fontsize=9)
    axis.set_xticks([])
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.tick_params(length=0, labelsize=8)


def main(output: Annotated[Path, Positional], lab: Path = LAB) -> None:
    """Draw gains over the best plain method of each crop, and what segmentation makes of the volumes."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    results = (lab / "results.md").read_text(encoding="utf-8")
    downstream = (lab / "downstream.md").read_text(encoding="utf-8")
    neurons, mitochondria = "neurons: variation of information (less is better)", "mitochondria: IoU (more is better)"
    cases = (
        segmented(downstream, "Neurons", "segmented", "VI (bits)", neurons, smaller_is_better=True),
        segmented(downstream, "Mitochondria", "classified", "IoU", mitochondria, smaller_is_better=False),
    )
    figure = plt.figure(figsize=(9, 6.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(3, 1.1))
    above.suptitle("Gain over the best plain method of each crop, by z : xy (red: loss)", fontsize=10)
    grid = above.subplots(len(VOLUMES), len(SCORES), sharey="col")
    for axes, (volume, title) in zip(grid, VOLUMES.items(), strict=True):
        _draw_gains(axes, gains(results, volume), title)
    below.suptitle("Segmentation at ×6", fontsize=10)
    for axis, case in zip(below.subplots(1, len(cases)), cases, strict=True):
        _draw_segmented(axis, case)
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    tyro.cli(main)
