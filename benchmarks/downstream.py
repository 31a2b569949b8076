"""Segmentation of reconstructions: ``python -m benchmarks.downstream data --output page.md``.

Neurons of FIB-25 (boundary map, watershed; variation of information, adapted Rand error) and mitochondria of the EPFL
crop (voxel classifier; intersection over union). Classifiers, thresholds and the watershed are fixed on the first half
of the *true* volumes; the second half is scored, of the truth, of the reconstruction and of plain interpolation alike.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types
import numpy as np
import numpy.typing as npt
import tyro
from rich.console import Console

from benchmarks.cases import Cache, Case
from benchmarks.crops import VOXEL_SIZE_NM, Crop, whole
from benchmarks.segmentation import Watershed, best, boundaries, overlap, scores
from benchmarks.voxel_classifier import VoxelClassifier, features
from napari_emgauss.interpolation.plain import Baseline, Interpolator
from napari_emgauss.io import read
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.methods.registry import load
from napari_emgauss.volume import Volume

FACTOR = 6
TRUTH, OURS = "truth", "emgauss:"
"""Names of rows: the volume itself; a preset follows."""
PLAIN = ("linear", "cubic", "linear+blur0.7", "flow", "flow+blur0.7", "flow+blur1.0")
BOUNDARY_SIGMAS_PX = (1.0, 2.0, 4.0)
MITOCHONDRIA_SIGMAS_PX = (2.0, 4.0, 8.0)
WATERSHEDS = tuple(Watershed(t, c) for t, c in product((0.3, 0.4, 0.5), (2.0, 3.0, 4.0, 5.0)))
IOU_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)

Array = npt.NDArray[Any]
Table = list[str]


@dataclass(frozen=True)
class Options:
    """Segmentation of the truth, of reconstructions and of plain interpolation by one fixed pipeline."""

    data: Annotated[Path, tyro.conf.Positional]
    """Folder with fib25_sample2.tif, fib25_sample2_neurons.tif, epfl_ca1_crop.tif, epfl_ca1_crop_mitochondria.tif."""
    output: Path | None = None
    """Page to write; printed if not given."""
    cache: Path = Path("benchmark_output/results")
    """Folder with the models of ``benchmarks.results``; a model that it lacks is trained and kept there."""
    presets: tuple[str, ...] = ("balanced",)
    """Presets of the reconstructions."""
    tissues: tuple[Literal["neurons", "mitochondria"], ...] = ("neurons", "mitochondria")
    """What to segment."""
    crop_px: int = 0
    """Use only this many rows and columns, for a quick try; 0 for all."""
    seed: int = 0
    """Seed of the training."""
    device: str = "auto"
    """Device of the training."""
    processes: Annotated[int, annotated_types.Ge(1)] = 1
    """Volumes segmented at the same time."""
    threads: Annotated[int, annotated_types.Ge(1)] = 1
    """Watersheds of each at the same time."""


@dataclass(frozen=True)
class Halves:
    """A volume with labels, and its two halves along z: what is fixed on the first is scored on the second."""

    path: Path
    data: Array
    labels: Array

    @classmethod
    def read(cls, folder: Path, volume: str, labels: str, crop_px: int) -> Halves:
        """Both files, up to the last observed plane."""
        data, marks = (np.asarray(read(folder / name, voxel_size_nm=VOXEL_SIZE_NM).data) for name in (volume, labels))
        crop = whole(data.shape, FACTOR)
        side = slice(None, crop_px or None)
        return cls(folder / volume, data[: crop.planes, side, side], marks[: crop.planes, side, side])

    @property
    def first(self) -> slice:
        """Planes of the first half."""
        return slice(0, self.middle)

    @property
    def second(self) -> slice:
        """Planes of the second half."""
        return slice(self.middle, len(self.data))

    @property
    def middle(self) -> int:
        """First plane of the second half, an observed one."""
        return len(self.data) // (2 * FACTOR) * FACTOR

    @property
    def stack(self) -> Volume:
        """The observed sections of the whole volume."""
        return Volume(self.data, VOXEL_SIZE_NM).every(FACTOR)

    def drawn(self, name: str, options: Options) -> Array:
        """The second half: the truth, or what a method makes of the observed sections of the whole volume.

        Rounded to the truth's type, as an exported volume is.
        """
        if name == TRUTH:
            return self.data[self.second]
        section = load(self._model(name, options)).render if name.startswith(OURS) else _plain(self.stack, name)
        planes = range(len(self.data))[self.second]
        return np.stack([np.clip(np.rint(section(k / FACTOR)), 0, 255).astype(np.uint8) for k in planes])

    def train(self, options: Options) -> None:
        """Make the models that `benchmarks.results` did not keep, and keep them for the next time."""
        for preset in options.presets:
            model = self._model(OURS + preset, options)
            if not model.exists():
                made = reconstruct(self.stack, preset=preset, seed=options.seed, device=options.device)
                model.parent.mkdir(parents=True, exist_ok=True)
                made.save(model)

    def _model(self, name: str, options: Options) -> Path:
        crop = Crop(0, 0, 0, *self.data.shape, "whole")
        case = Case(self.path, crop, FACTOR, name.removeprefix(OURS), options.seed, options.device)
        return Cache(options.cache).model(case)


def _plain(stack: Volume, name: str) -> Callable[[float], Array]:
    return Interpolator(stack, Baseline.parse(name)).section


def rows(row: Callable[[str], str], options: Options, tell: Callable[[str], None]) -> Table:
    """A line for the truth and for each method, in ``options.processes`` processes."""
    names = (TRUTH, *PLAIN, *(OURS + preset for preset in options.presets))
    found = []
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for line in pool.map(row, names):
            tell(line)
            found.append(line)
    return found


def neurons(halves: Halves, options: Options, tell: Callable[[str], None]) -> Table:
    """Table of the neurons' segmentation."""
    # The boundary map learns from one part of the first half; the watershed is chosen on the other.
    split = halves.middle * 2 // 3
    learn, tune = slice(0, split), slice(split, halves.middle)
    walls = VoxelClassifier.fit(features(halves.data[learn], BOUNDARY_SIGMAS_PX), boundaries(halves.labels[learn]))
    wall = walls.probability(features(halves.data[tune], BOUNDARY_SIGMAS_PX))
    settings = best(scores(wall, halves.labels[tune], WATERSHEDS, options.threads * options.processes))
    return [
        f"Boundary map learnt on planes 0–{split - 1}, watershed chosen on planes {split}–{halves.middle - 1} (both of "
        f"the truth): threshold {settings.threshold:g}, seeds beyond {settings.core_px:g} px; scored on planes "
        f"{halves.middle}–{len(halves.data) - 1}, observed ones included. Smaller is better. *At its own best* is the "
        f"lowest VI that any of the {len(WATERSHEDS)} settings gives on the scored planes: optimistic, for all alike; "
        "it says how much hangs on settings that suit the truth.",
        "",
        "| segmented | VI (bits) | split | merge | adapted Rand error | objects | VI at its own best |",
        "|---|---|---|---|---|---|---|",
        *rows(partial(_neurons_row, halves, options, walls, settings), options, tell),
    ]


def _neurons_row(halves: Halves, options: Options, walls: VoxelClassifier, settings: Watershed, name: str) -> str:
    wall = walls.probability(features(halves.drawn(name, options), BOUNDARY_SIGMAS_PX))
    tried = scores(wall, halves.labels[halves.second], WATERSHEDS, options.threads)
    (s, n_objects), (least, _) = tried[settings], tried[best(tried)]
    return (
        f"| {name} | {s.variation:.3f} | {s.split:.3f} | {s.merge:.3f} | {s.adapted_rand:.3f} | {n_objects} | "
        f"{least.variation:.3f} |"
    )


def mitochondria(halves: Halves, options: Options, tell: Callable[[str], None]) -> Table:
    """Table of the mitochondria's masks."""
    mask = halves.labels[halves.first] > 0
    values = features(halves.data[halves.first], MITOCHONDRIA_SIGMAS_PX)
    classifier = VoxelClassifier.fit(values, mask)
    learnt = classifier.probability(values)
    threshold = max(IOU_THRESHOLDS, key=lambda value: overlap(mask, learnt > value))
    of_truth = classifier.probability(features(halves.data[halves.second], MITOCHONDRIA_SIGMAS_PX)) > threshold
    return [
        f"Classifier learnt and threshold ({threshold:g}) chosen on planes 0–{halves.middle - 1} of the truth; scored "
        f"on planes {halves.middle}–{len(halves.data) - 1}, observed ones included, where "
        f"{(halves.labels[halves.second] > 0).mean():.1%} of the voxels are mitochondria. Larger is better. "
        "*Agreement* is with the mask of the truth's own image.",
        "",
        "| classified | IoU | agreement |",
        "|---|---|---|",
        *rows(partial(_mitochondria_row, halves, options, classifier, threshold, of_truth), options, tell),
    ]


def _mitochondria_row(
    halves: Halves, options: Options, classifier: VoxelClassifier, threshold: float, of_truth: Array, name: str
) -> str:
    found = classifier.probability(features(halves.drawn(name, options), MITOCHONDRIA_SIGMAS_PX)) > threshold
    truth = halves.labels[halves.second] > 0
    return f"| {name} | {overlap(truth, found):.3f} | {overlap(of_truth, found):.3f} |"


HEAD = """# Downstream: what segmentation makes of it

Written by `python -m benchmarks.downstream data --output docs/lab/downstream.md`, where `data` has the two volumes and
their labels. ×6: every sixth plane is kept, the planes between are drawn by each method and rounded to 8 bits.
Everything that is learnt or chosen comes from the first half of the *true* volumes and is applied unchanged; nothing is
tuned on the scored half or for any method. Voxels are classified by logistic regression on smoothed intensity, gradient
and Hessian at three scales (their squares and products too). EMGauss and plain interpolation see the observed sections
of the whole volume. One seed, one pipeline, one volume each: small differences mean little.
"""


TISSUES = {
    "neurons": ("Neurons of FIB-25", "fib25_sample2.tif", "fib25_sample2_neurons.tif", neurons),
    "mitochondria": (
        "Mitochondria of the EPFL crop",
        "epfl_ca1_crop.tif",
        "epfl_ca1_crop_mitochondria.tif",
        mitochondria,
    ),
}


def main(options: Options) -> None:
    """Segment everything and write the page."""
    console = Console(width=160)

    def tell(line: str) -> None:
        console.print(line, highlight=False)

    lines = [HEAD]
    for tissue, (title, volume, labels, table) in TISSUES.items():
        if tissue in options.tissues:
            halves = Halves.read(options.data, volume, labels, options.crop_px)
            halves.train(options)
            lines += [f"## {title}", "", *table(halves, options, tell), ""]
    text = "\n".join(lines)
    if options.output is None:
        sys.stdout.write(text)
    else:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Options))
