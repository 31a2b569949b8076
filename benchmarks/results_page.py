"""The results as a Markdown page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.cases import Case
from benchmarks.crops import TUNED_PLANES, Crop
from benchmarks.summary import Gain, Scores, gain, summarise

Row = tuple[Case, Mapping[str, Any]]
"""A case and its result."""

AS_PUBLISHED = {
    "fib25_sample2": (
        ("EMGauss, as published, another crop (500³ of this data set)", 27.37),
        ("linear, a 500³ cube of this data set", 27.15),
        ("linear + slight blur, the same 500³ cube", 27.57),
    ),
    "epfl_ca1_crop": (
        ("EMGauss, as published, another crop", 26.59),
        ("plain interpolation, another cube of this data set", 26.63),
    ),
}
"""PSNR at ×6, beside which the tables stand; of the cubes behind them nothing more is known here."""

COLUMNS = "| crop | method | PSNR (dB) | SSIM | FSIM | xz SSIM | yz SSIM | training (s) | peak (MiB) |"
SUMMARY_COLUMNS = (
    "| factor | where | method | PSNR mean | PSNR min | SSIM mean | SSIM min | FSIM min | xz SSIM min | yz SSIM min "
    "| below plain in | training, longest (s) | peak, largest (MiB) |"
)

HEAD = """# Results

Written by one command:

```sh
{command}
```

Planes are withheld from isotropic volumes and scored as [Scoring](../reference/scoring.md) says: PSNR, SSIM and FSIM
are means over withheld planes, xz and yz SSIM count withheld rows only. Every case ran in a process of its own; its
peak memory is that of the whole process, the true volume and the libraries included.
**Gains** are over the strongest plain baseline *of the same crop*: PSNR against the highest PSNR of the nine plain
methods, SSIM against the highest SSIM among them and so on, even if these are different methods; FSIM against linear's.
Bold: the highest PSNR among the plain methods, and EMGauss.

## Limits of these numbers
"""


def page(known: Sequence[tuple[Case, Mapping[str, Any] | None]], command: str) -> str:
    """The whole page.

    Parameters
    ----------
    known
        Every case with its result, None where it has not been measured.
    command
        What writes the page.
    """
    lines = [HEAD.format(command=command), *_limits(known)]
    for volume in dict.fromkeys(case.volume.stem for case, _ in known):
        own = [(c, result) for c, result in known if result is not None and c.volume.stem == volume]
        lines += ["", f"## {volume}", "", *_whence(volume, {case.crop: None for case, _ in own}, own)]
        lines += ["", "### Gains", "", *_summaries(own)]
        for factor in dict.fromkeys(case.factor for case, _ in own):
            lines += ["", f"### ×{factor}", "", *_table([row for row in own if row[0].factor == factor])]
            if factor == 6:
                lines += [
                    f"| – | *{name}* | {psnr:.2f} |  |  |  |  |  |  |" for name, psnr in AS_PUBLISHED.get(volume, ())
                ]
    return "\n".join(lines) + "\n"


def _limits(known: Sequence[tuple[Case, Mapping[str, Any] | None]]) -> list[str]:
    """Return what a reader must know before trusting the numbers, as a list."""
    trained = [result for case, result in known if case.trains and result is not None]
    cores = sorted({int(result["cores"]) for result in trained})
    devices = sorted({str(result["device"]) for result in trained})
    lines = ["- One seed, one run of each case."]
    if trained:
        lines.append(f"- Trained on {' and '.join(devices)}, {' and '.join(map(str, cores))} cores.")
    absent = [case.name for case, result in known if result is None]
    if absent:
        named = f": {', '.join(absent)}" if len(absent) <= 6 else ""
        lines.append(f"- {len(absent)} of {len(known)} cases are not measured{named}.")
    states = {result["code"] for result in trained}
    if len(states) > 1:
        lines.append(
            f"- The program was worked on meanwhile: the trained rows come from {len(states)} versions of it. Rows of "
            "one crop may differ by more than their methods do."
        )
    return lines


def _whence(volume: str, crops: Iterable[Crop], rows: Sequence[Row]) -> list[str]:
    """Return which planes settings were chosen on, and what the crops have in common."""
    tuned = TUNED_PLANES.get(volume, 0)
    if tuned:
        first = f"Settings were chosen on crops within planes 0–{tuned - 1}; report crops lie behind them. "
        if any(case.crop.role == "whole" for case, _ in rows):
            first += "The whole volume contains those planes, so its figures are not of unseen data. "
    else:
        first = "No setting was chosen on this volume. "
    first += "A crop is named by its first plane, row and column, and its side in pixels."
    lines = [first]
    if volume == "epfl_ca1_crop":
        lines[0] += " One rule of the teacher was added after looking at planes 84–144 ([teacher.md](teacher.md))."
    reported = list(dict.fromkeys(c.crop for c, _ in rows if c.factor == 6 and c.crop.role == "report"))
    shared = [
        f"{a.name} and {b.name} share {a.share_in(b):.0%} of their voxels"
        for index, a in enumerate(reported)
        for b in reported[index + 1 :]
        if a.share_in(b) > 0
    ]
    if shared:
        lines.append(f"Report crops overlap: {'; '.join(shared)}.")
    return lines


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|"]
    for crop in dict.fromkeys(case.crop for case, _ in rows):
        own = [row for row in rows if row[0].crop == crop]
        best = max((result["psnr_db"] for case, result in own if not case.trains), default=math.nan)
        planes, factor = crop.planes, own[0][0].factor
        where = f"{crop.name}{' (tuning)' if crop.role == 'tuning' else ''}, {(planes - 1) // factor + 1} sections"
        for case, result in own:
            strong = "**" if case.trains or result["psnr_db"] == best else ""
            numbers = " | ".join(_number(result[name], 3) for name in ("ssim", "fsim", "xz_ssim", "yz_ssim"))
            seconds = f"{result['fit_seconds']:.1f}" if case.trains else "–"
            lines.append(
                f"| {where} | {case.method} | {strong}{result['psnr_db']:.2f}{strong} | {numbers} | {seconds} "
                f"| {result['process_peak_mib']:.0f} |"
            )
    return lines


def _summaries(rows: Sequence[Row]) -> list[str]:
    lines = [SUMMARY_COLUMNS, "|---" * (SUMMARY_COLUMNS.count("|") - 1) + "|"]
    methods = dict.fromkeys(case.method for case, _ in rows if case.trains)
    for factor in dict.fromkeys(case.factor for case, _ in rows):
        for role in ("report", "whole"):
            for method in methods:
                own = [r for r in rows if (r[0].factor, r[0].crop.role) == (factor, role)]
                lines += _summary(own, factor, role, method)
    return lines if len(lines) > 2 else ["Nothing was trained yet."]


def _summary(rows: Sequence[Row], factor: int, role: str, method: str) -> list[str]:
    trained = [(case, result) for case, result in rows if case.method == method]
    gains = [g for case, result in trained if (g := _gain(result, case, rows)) is not None]
    if not gains:
        return []
    s = summarise(gains)
    where = "whole volume" if role == "whole" else f"{s.n} report crop{'s' if s.n > 1 else ''}"
    seconds = max(result["fit_seconds"] for _, result in trained)
    peak = max(result["process_peak_mib"] for _, result in trained)
    shares = (s.ssim, s.ssim_min, s.fsim_min, s.xz_ssim_min, s.yz_ssim_min)
    return [
        f"| ×{factor} | {where} | {method} | {s.psnr_db:+.2f} | {s.psnr_db_min:+.2f} | "
        + " | ".join("–" if math.isnan(value) else f"{value:+.3f}" for value in shares)
        + f" | {', '.join(s.shortfalls()) or 'nothing'} | {seconds:.0f} | {peak:.0f} |"
    ]


def _gain(own: Scores, case: Case, rows: Sequence[Row]) -> Gain | None:
    """Gain of one case, None while its crop's plain baselines are not all there."""
    plain = [result for other, result in rows if other.crop == case.crop and not other.trains]
    return gain(own, plain) if {"linear", "flow+blur1.0"} <= {str(r["method"]) for r in plain} else None


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
