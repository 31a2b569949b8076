"""How fast and how well Gaussians redraw a teacher's predictions: ``python -m benchmarks.fitting fib.tif epfl.tif``.

The teacher of each tuning crop is trained once and kept in ``--teachers``; then every variant of the settings is fitted
to the same predictions. ``--share-of-truth`` mixes the withheld planes into them, as a stand-in for better teachers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from benchmarks.crops import tuning_crop
from napari_emgauss.io import read
from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.model import build_model
from napari_emgauss.methods.emgauss.objective import SectionObjective, SectionTarget
from napari_emgauss.methods.emgauss.setup import Setup, prepare
from napari_emgauss.methods.emgauss.study import examine, study
from napari_emgauss.metrics import psnr, ssim
from napari_emgauss.training import BlockTrainer, Control, Watch
from napari_emgauss.volume import Volume

VARIANTS = (
    "",
    "newton_steps=3",
    "newton_steps=4",
    "newton_steps=7",
    "spacing_px=3.0",
    "spacing_px=3.5",
    "spacing_px=4.5",
    "newton_steps=0 joint=30 bootstrap=20",
    "newton_steps=0 joint=10 bootstrap=5",
)


@dataclass(frozen=True)
class Options:
    """Fits of Gaussians to the same targets with different settings."""

    volumes: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Isotropic volumes."""
    variants: tuple[str, ...] = VARIANTS
    """Settings of each fit on top of ``balanced``, such as 'newton_steps=3 spacing_px=3.5'."""
    teachers: Path = Path("benchmark_output/teachers")
    """Folder that keeps the teachers."""
    lateral_steps: int = 3000
    """Training steps of the teachers."""
    share_of_truth: float = 0.0
    """Part of the withheld planes in what the teacher predicts."""
    factor: int = 6
    """Every factor-th plane is observed."""


def taught(truth: Volume, factor: int, folder: Path, lateral_steps: int) -> tuple[Setup, list[SectionTarget]]:
    """The thinned-out stack as it is trained on, and its sections with the teacher's between them."""
    setup = prepare(truth.every(factor), preset="balanced", device="cpu", lateral_steps=lateral_steps)
    watch, store = Watch(Control(), lambda event: None), JobFolder(folder, setup.fingerprint)
    with setup.computing():
        setup = examine(setup, watch, store).setup
        job = EmgaussJob(setup, study(setup, watch, store))
        return setup, list(job.build(0).observed)


def with_truth(setup: Setup, targets: Sequence[SectionTarget], truth: Volume, options: Options) -> list[SectionTarget]:
    """The targets with a share of the withheld planes in the predicted ones."""
    mixed = []
    for target in targets:
        if target.predicted:
            plane = setup.scaling.normalise(truth.section(round(target.z * options.factor)))
            image = (1 - options.share_of_truth) * target.image + options.share_of_truth * target.image.new_tensor(
                plane
            )
            target = replace(target, image=image)
        mixed.append(target)
    return mixed


def fitted(setup: Setup, targets: Sequence[SectionTarget], changes: dict[str, Any]) -> tuple[SectionObjective, Any]:
    """A model fitted to the targets, and the seconds of placing Gaussians and of moving them."""
    config = setup.config.with_settings(**changes)
    start = time.perf_counter()
    images = np.stack([target.image.numpy() for target in targets])
    model = build_model(config, [target.z for target in targets], images, np.random.default_rng(0))
    objective = SectionObjective(config, model, targets, restore=setup.scaling.restore)
    trainer, middle = BlockTrainer(objective), time.perf_counter()
    with setup.computing():
        while not trainer.done:
            trainer.step()
    return objective, (middle - start, time.perf_counter() - middle)


def row(name: str, setup: Setup, objective: SectionObjective, seconds: Any, truth: Volume, factor: int) -> str:
    """One line of the table."""
    model, n_px = objective.model, np.prod(setup.volume.shape)
    pairs = []
    for k in range(truth.n_sections):
        if k % factor:
            drawn = np.clip(objective.restore(model.render(k / factor)) / 255, 0, 1).astype(np.float32)
            pairs.append((drawn, truth.section(k).astype(np.float32) / 255))
    closeness = {
        kind: np.mean(
            [psnr(model.render(t.z).numpy(), t.image.numpy()) for t in objective.observed if t.predicted is kind]
        )
        for kind in (True, False)
    }
    return (
        f"| {name or 'balanced'} | {np.mean([psnr(*pair) for pair in pairs]):.3f} | "
        f"{np.mean([ssim(*pair) for pair in pairs]):.4f} | {closeness[True]:.1f} | {closeness[False]:.1f} | "
        f"{len(model.gaussians) / n_px:.3f} | {1e6 * seconds[0] / n_px:.1f} | {1e6 * seconds[1] / n_px:.1f} |"
    )


def main(options: Options) -> None:
    """Print a table for every volume."""
    for path in options.volumes:
        whole = read(path, voxel_size_nm=(8.0, 8.0, 8.0))
        truth = tuning_crop(whole.shape, options.factor).read(path)
        setup, targets = taught(truth, options.factor, options.teachers / path.stem, options.lateral_steps)
        targets = with_truth(setup, targets, truth, options)
        print(f"\n{path.stem}, {options.share_of_truth:g} of the truth in the predictions\n")
        print(
            "| settings | PSNR (dB) | SSIM | drawn against predicted (dB) | against observed (dB) | Gaussians per px | "
            "placing (µs/px) | fitting (µs/px) |\n|---|---|---|---|---|---|---|---|"
        )
        fitted(setup, targets[:4], {})  # compiles
        for name in options.variants:
            changes: dict[str, Any] = {
                key: float(value) if "." in value else int(value)
                for key, _, value in (part.partition("=") for part in name.split())
            }
            print(row(name, setup, *fitted(setup, targets, changes), truth, options.factor), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
