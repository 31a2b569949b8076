"""Bytes of models and what rounding them costs: ``python -m benchmarks.model_size fib.tif epfl.tif``.

A part of each volume, behind the planes that settings were chosen on, is thinned and trained on; the models as they
were trained are taken from its checkpoints. They are drawn and packed as they are and rounded to several steps.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import tyro

from benchmarks.crops import TUNED_PLANES, VOXEL_SIZE_NM, report_crops, tuning_crop
from napari_emgauss._types import AnyArray
from napari_emgauss.io import read
from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss import Reconstruction, reconstruct
from napari_emgauss.methods.emgauss.model import (
    BlockShape,
    MemoryModels,
    Steps,
    model_from_state,
    model_values,
    packed_state,
    steps_of,
)
from napari_emgauss.methods.emgauss.model.rounding import Codes
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.metrics import psnr
from napari_emgauss.volume import Volume

PACKED = ("position", "log_scale", "stretch", "intensity", "motion")
COLUMNS = (
    "| stack | preset | steps | float32 | rounded | "
    + " | ".join(name.replace("_", "-") for name in PACKED)
    + " | lost between sections (dB) | lost at sections (dB) |"
)


@dataclass(frozen=True)
class Options:
    """Bytes per pixel of trained models, and the loss of PSNR, against the steps that they are rounded to."""

    volumes: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Isotropic volumes of 8 bits."""
    presets: tuple[str, ...] = ("fast", "balanced")
    """Presets that round their models."""
    factor: int = 6
    """Every factor-th plane is a section."""
    multiples: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Steps, as multiples of those that are used."""
    tuning: bool = False
    """Take the part that the steps were chosen on instead of one behind it."""
    output: Path | None = None
    """Markdown file for the table, besides printing it."""


def exactly_trained(stack: Volume, preset: str) -> Reconstruction:
    """Train with the models as they were before rounding."""
    with TemporaryDirectory() as folder:
        made = reconstruct(stack, preset=preset, device="cpu", checkpoint=folder, correct_sections="none")
        setup = prepare(stack, preset=preset, device="cpu", correct_sections="none")
        store = JobFolder(folder, setup.fingerprint)
        kept = [store.load_done(block) for block in range(len(made.models))]
    places = [BlockShape.of(made.plan, block, made.observed) for block in made.plan.blocks]
    exact = [model_from_state(made.config, place, *own) for place, own in zip(places, kept, strict=True) if own]
    return replace(made, models=MemoryModels(exact))


def rounded_to(exact: Reconstruction, steps: Steps) -> Reconstruction:
    """The reconstruction with the numbers of its models rounded to ``steps``."""
    models = [
        model_from_state(
            exact.config,
            BlockShape.of(exact.plan, block, exact.observed),
            {**Codes.of(model, steps).tensors(steps), "background": model.state_dict()["background"]},
            model_values(model),
        )
        for block, model in zip(exact.plan.blocks, exact.models, strict=True)
    ]
    return replace(exact, models=MemoryModels(models))


def rows(name: str, planes: Volume, factor: int, preset: str, multiples: tuple[float, ...]) -> Iterator[str]:
    """One line per multiple of the steps."""
    stack = planes.every(factor)
    exact = exactly_trained(stack, preset)
    used = steps_of(exact.config)
    if used is None:
        raise ValueError(f"preset must be one that rounds its models, got {preset!r}. Leave it out.")
    n_px = np.prod(stack.shape)
    whole = sum(tensor.numel() * 4 for model in exact.models for tensor in model.state_dict().values())
    before = _scores(exact, planes, factor)
    for multiple in multiples:
        steps = Steps(**{key: step * multiple for key, step in used.to_json().items()})
        sizes: Counter[str] = Counter()
        for model in exact.models:
            sizes.update({key: t.numel() * t.element_size() for key, t in packed_state(model, steps).items()})
        lost = [b - a for a, b in zip(_scores(rounded_to(exact, steps), planes, factor), before, strict=True)]
        cells = (
            name,
            preset,
            f"×{multiple:g}",
            f"{whole / n_px:.2f}",
            f"{sizes.total() / n_px:.3f}",
            *(f"{sizes[key] / n_px:.3f}" for key in PACKED),
            *(f"{value:.4f}" for value in lost),
        )
        yield "| " + " | ".join(cells) + " |"


def _scores(reconstruction: Reconstruction, planes: Volume, factor: int) -> tuple[float, float]:
    """PSNR of all planes between the sections, and of the sections."""
    drawn = np.stack([reconstruction.render(k / factor) for k in range(planes.shape[0])])
    truth: AnyArray = np.asarray(planes.data)
    at = np.arange(planes.shape[0]) % factor == 0
    return psnr(drawn[~at], truth[~at], data_range=255), psnr(drawn[at], truth[at], data_range=255)


def main(options: Options) -> None:
    """Train, round, and print the table as Markdown."""
    lines = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|"]
    sys.stdout.write("\n".join(lines) + "\n")
    for path in options.volumes:
        shape = read(path, voxel_size_nm=VOXEL_SIZE_NM).shape
        behind = report_crops(shape, options.factor, tuned_planes=TUNED_PLANES.get(path.stem, 0))
        crop = tuning_crop(shape, options.factor) if options.tuning else behind[len(behind) // 2]
        name = f"{path.stem}, {crop.name}, ×{options.factor}"
        for preset in options.presets:
            for line in rows(name, crop.read(path), options.factor, preset, options.multiples):
                lines.append(line)
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Options))
