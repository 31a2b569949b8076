"""Small shifts of sections: ``python -m benchmarks.jitter fib.tif epfl.tif --recorded vnc.tif``.

In isotropic volumes they are put in, and it is seen how many are found. Sections are taken from the planes behind those
that settings were chosen on, and displaced at random. What counts are second differences along z (a section against the
mean of its neighbours): slow drift is not for a section to tell.
Withheld planes are scored after each was registered to the truth, since a corrected stack lies in a frame of its own.
Recorded stacks are trained without some sections, which are then predicted in the frame that they were recorded in.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from benchmarks.crops import TUNED_PLANES, VOXEL_SIZE_NM
from napari_emgauss._types import AnyArray
from napari_emgauss.io import read
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.methods.emgauss.study.examination import corrections_of
from napari_emgauss.metrics import psnr
from napari_emgauss.sections import choose_corrections, estimate_corrections, improves
from napari_emgauss.sections.correction.corrections import shifted
from napari_emgauss.sections.correction.registration import register
from napari_emgauss.sections.correction.second_differences import DoubleArray
from napari_emgauss.volume import Volume

LARGEST_PX = 4.0
RIM_PX = 12
"""What displaced sections lack at their border is not scored."""
COLUMNS = (
    "| stack | sections | shifts put in (rms px) | second differences (rms px) | left once corrected "
    "| hidden sections gain (dB) | corrected? | `fast` without (dB) | `fast` with (dB) |"
)
RECORDED_COLUMNS = "| stack | sections | held out | corrected | `fast` without (dB) | `fast` with (dB) |"
RECORDED_VOXEL_SIZE_NM = (50.0, 4.0, 4.0)
"""For files that state none."""
HELD_OUT = 3


@dataclass(frozen=True)
class Options:
    """How far small shifts of sections are found, and what taking them out is worth."""

    volumes: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Isotropic volumes of 8 bits."""
    recorded: tuple[Path, ...] = ()
    """Anisotropic stacks of 8 bits, as recorded."""
    factors: tuple[int, ...] = (4, 6)
    """Every factor-th plane is a section."""
    jitters_px: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    """Standard deviations of the shifts."""
    seed: int = 0
    """Seed of the shifts."""
    output: Path | None = None
    """Markdown file for the table, besides printing it."""


def row(name: str, planes: Volume, factor: int, jitter_px: float, seed: int) -> str:
    """One line of the table."""
    stack = planes.every(factor)
    n = stack.n_sections
    rng = np.random.default_rng(seed)
    put_in = np.clip(rng.normal(0, 1, (n, 2)) * jitter_px, -LARGEST_PX, LARGEST_PX)
    data = np.stack([shifted(stack.section(i), (-float(y), -float(x))) for i, (y, x) in enumerate(put_in)])
    disturbed = Volume(np.clip(data, 0, 255).round().astype(np.uint8), stack.voxel_size_nm)
    found = estimate_corrections(disturbed).without_brightness()
    evidence = improves(disturbed, found)
    chosen, _ = choose_corrections(disturbed)
    used = bool(chosen.shifts_px.any())
    scores = [_score(disturbed, planes, factor, correct) for correct in (("none", "auto") if used else ("none",))]
    cells = (
        f"{name} ×{factor}",
        str(n),
        f"{_rms(put_in):.2f}",
        f"{_rms(_second_differences(put_in)):.2f}",
        f"{_rms(_second_differences(put_in - found.whole.shifts_px)):.2f}",
        f"{evidence.gain_db:+.2f}",
        "yes" if used else "no",
        f"{scores[0]:.2f}",
        f"{scores[-1]:.2f}" if used else "–",
    )
    return "| " + " | ".join(cells) + " |"


def recorded_row(path: Path) -> str:
    """One line of the second table."""
    stack = read(path, voxel_size_nm=RECORDED_VOXEL_SIZE_NM)
    n = stack.n_sections
    held_out = tuple(n * k // (HELD_OUT + 1) for k in range(1, HELD_OUT + 1))
    scores, used = [], "nothing"
    for correct in ("none", "auto"):
        reconstruction = reconstruct(stack, preset="fast", device="cpu", correct_sections=correct, hold_out=held_out)
        corrections = corrections_of(reconstruction.record, n)
        scores.append(
            np.mean([_psnr(corrections.invert(i, reconstruction.render(i)), stack.section(i)) for i in held_out])
        )
        used = " and ".join(reconstruction.record.get("corrections", {}).get("used", [])) or used
    return f"| {path.stem} | {n} | {', '.join(map(str, held_out))} | {used} | {scores[0]:.2f} | {scores[1]:.2f} |"


def _psnr(image: AnyArray, truth: AnyArray) -> float:
    inner = slice(RIM_PX, -RIM_PX)
    drawn, known = (np.clip(np.asarray(a, np.float32)[inner, inner], 0, 255) / 255 for a in (image, truth))
    return psnr(drawn, known)


def _score(stack: Volume, planes: Volume, factor: int, correct: str) -> float:
    """Mean PSNR of the withheld planes, each moved to where it fits the truth."""
    reconstruction = reconstruct(stack, preset="fast", device="cpu", correct_sections=correct)
    scores = []
    for k in range((stack.n_sections - 1) * factor):
        if k % factor:
            drawn, truth = reconstruction.render(k / factor), planes.section(k).astype(np.float32)
            found = register(drawn[None, None], truth[None, None])
            y, x = (0.0, 0.0) if found is None else found.whole
            scores.append(_psnr(shifted(drawn, (float(y), float(x))), truth))
    return float(np.mean(scores))


def _second_differences(values: DoubleArray) -> DoubleArray:
    return np.asarray(values[1:-1] - 0.5 * (values[:-2] + values[2:]))


def _rms(values: DoubleArray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def main(options: Options) -> int:
    """Print the table, line by line."""
    lines = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|"]
    sys.stdout.write("\n".join(lines) + "\n")
    for path in options.volumes:
        volume = read(path, voxel_size_nm=VOXEL_SIZE_NM)
        planes = Volume(np.array(volume.data[TUNED_PLANES.get(path.stem, 0) :]), volume.voxel_size_nm)
        for factor in options.factors:
            for jitter_px in options.jitters_px:
                lines.append(row(path.stem, planes, factor, jitter_px, options.seed))
                sys.stdout.write(lines[-1] + "\n")
                sys.stdout.flush()
    if options.recorded:
        more = ["", RECORDED_COLUMNS, "|---" * (RECORDED_COLUMNS.count("|") - 1) + "|"]
        more += [recorded_row(path) for path in options.recorded]
        lines += more
        sys.stdout.write("\n".join(more) + "\n")
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
