"""A training's events as the widget shows them: the one place that reads them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_emgauss._types import Triple
from napari_emgauss.methods.emgauss.objective import REFINING as REFINING
from napari_emgauss.training import Control, Preview, Progress
from napari_emgauss.units import about_duration

SAME_Z = 1e-3
STAGE_NAMES = {
    "reading": "Reading your sections",
    "sections": "Checking your sections",
    "teacher": "Studying your sections",
    "evidence": "Testing on hidden sections",
    "pseudo-sections": "Predicting between them",
    "uncertainty": "Mapping the uncertainty",
    "solve": "Learning",
    "keeping": "Making what was not trained yet in short",
    "warm-up": "Warm-up",
    "joint": "Learning",
    "bootstrap": "Refining",
    "placements": "Placing the stacks",
    "motion": "Finding how slices moved",
    "judge": "Checking the motion on hidden slices",
    "volume": "Sharpening the volume",
    "summing images": "Reading the particles",
    "choosing sign and number": "Trying signs and numbers of Gaussians",
    "shape": "Shaping the map",
    "likelihood": "Fitting the particles",
    "images": "Fitting the particles one by one",
}
STEPS = {
    **dict.fromkeys(("reading", "sections"), 1),
    **dict.fromkeys(("teacher", "evidence"), 2),
    **dict.fromkeys(("pseudo-sections", "solve", "warm-up", "joint", "bootstrap"), 3),
    **dict.fromkeys(("uncertainty", "keeping"), 4),
}
"""Number of a stage's step, of those that a training of sections has."""
LAST_STEP = 4


@dataclass(frozen=True, kw_only=True)
class ProgressPoint:
    """A moment of a training, as curves and run panel show it."""

    iteration: int
    n_iterations: int
    text: str
    """One line: stage, iteration, time left, Gaussians."""
    loss: float | None
    """None before the first supervised iteration."""
    held_out_psnr_db: float | None
    """None where it was not scored."""
    share: float | None = None
    """Part of the whole that is done, between 0 and 1; None while nothing is known of it."""


def point_of(progress: Progress, *, left_s: float | None = None) -> ProgressPoint:
    """Return what is shown of ``progress``; see `describe`.

    Of a training that was announced the share is one of time: iterations come after half of it.
    """
    if left_s is None:
        share = progress.iteration / progress.n_iterations if progress.iteration else None
    else:
        share = progress.seconds / max(progress.seconds + left_s, 1e-3)
    return ProgressPoint(
        iteration=progress.iteration,
        n_iterations=progress.n_iterations,
        text=describe(progress, left_s=left_s),
        loss=None if math.isnan(progress.loss) else progress.loss,
        held_out_psnr_db=progress.scores.get("held_out_psnr_db"),
        share=share,
    )


def describe(progress: Progress, *, left_s: float | None = None) -> str:
    """Return one line on a training: step, part, time left, Gaussians.

    Parameters
    ----------
    progress
        What is going on.
    left_s
        Time left to the end of it all, by what was announced; without it, the time that the progress itself knows of.
    """
    block = f" · part {progress.block + 1} of {progress.n_blocks}" if progress.n_blocks > 1 else ""
    stage = STAGE_NAMES.get(progress.stage, progress.stage)
    n_gaussians = int(progress.scores.get("n_gaussians", 0))
    gaussians = f" · {n_gaussians:,} Gaussians" if n_gaussians else ""
    number = STEPS.get(progress.stage)
    step = f"Step {number} of {LAST_STEP}: " if number else ""
    until = " in this step" if left_s is None and progress.of_stage and number != LAST_STEP else ""
    left = about_duration(progress.seconds_left if left_s is None else left_s)
    return f"{step}{stage}{block} · {left} left{until}{gaussians}"


def origin_of(preview: Preview) -> Triple:
    """Return the section coordinate and the pixel (y, x) of a preview's first pixel."""
    return preview.placement.origin


def ask_for_preview(control: Control, place: tuple[float, ...]) -> None:
    """Ask a training for previews at a section coordinate, and to train what is around the pixel (y, x) first."""
    control.preview_at = place


def is_of(preview: Preview, z: float) -> bool:
    """Tell whether a preview is of the section coordinate that is looked at."""
    return abs(origin_of(preview)[0] - z) < SAME_Z
