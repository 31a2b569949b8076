"""What becomes of stacks that are not as the prior thinks: ``python -m benchmarks.fallback fib.tif brain.tif``.

Trains on phantoms that tissue never looks like, and on crops of the volumes given: as they are, with sections averaged
over their thickness, inverted, and noisier. Scores are those of withheld sections, beside the best plain method.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from scipy.ndimage import gaussian_filter, uniform_filter1d
from scipy.spatial import cKDTree

from benchmarks.crops import TUNED_PLANES, report_crops
from benchmarks.results import PLAIN
from napari_emgauss.evaluation import evaluate
from napari_emgauss.io import read
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.volume import Volume

VOXEL_SIZE_NM = (8.0, 8.0, 8.0)
HEAD = """# Where the prior does not fit

Written by `{command}`. ×{factor}, {preset}. The first rows are phantoms that tissue never looks like, so that what the
prior learned of it is wrong: fibres along z, random textures, bodies, sheets, edges, tubes, shells, dots, rods, lines,
foam and membranes; the others are crops of volumes, changed as they say. Scores are means over withheld sections, next
to the best plain method of the row, of PSNR and SSIM each. The share is what the evidence leaves to the prior.

| stack | best plain (dB) | EMGauss (dB) | gain (dB) | gain (SSIM) | share of the prior |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Options:
    """A preset against plain interpolation where the prior may be wrong."""

    volumes: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Isotropic volumes of any kind; a crop of each is used."""
    preset: str = "balanced"
    """Preset to train."""
    factor: int = 6
    """Every factor-th section is kept."""
    output: Path | None = None
    """Page to write after each row; only printed if not given."""


def fibres(along_px: float, width_px: float, noise: float, *, seed: int = 0) -> np.ndarray:
    """Random texture (61, 96, 96), smooth over other lengths along z than across it, in 0…1 but for outliers."""
    rng = np.random.default_rng(seed)
    shape = (61, 96, 96)
    texture = gaussian_filter(rng.standard_normal(shape, np.float32), (along_px, width_px, width_px), mode="wrap")
    return np.asarray(0.5 + 0.15 * texture / texture.std() + noise * rng.standard_normal(shape), np.float32)


def spheres(*, noise: float, seed: int = 1) -> np.ndarray:
    """Round bodies with sharp edges (61, 96, 96) on a darker ground."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal((61, 96, 96), np.float32), 6, mode="wrap")
    bodies = 0.5 + 0.3 * np.tanh(4 * (field / field.std() - 0.5))
    return np.asarray(bodies + noise * rng.standard_normal(bodies.shape), np.float32)


def black_and_white(seed: int = 2) -> np.ndarray:
    """Two intensities and nothing between them (61, 96, 96)."""
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((61, 96, 96), np.float32), 8, mode="wrap")
    return np.asarray(np.where(field > 0, 0.8, 0.2), np.float32)


def oblique_sheets(*, noise: float, seed: int = 3) -> np.ndarray:
    """Two families of thin sheets (61, 96, 96) that move by a voxel, and half of one, from plane to plane."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in (61, 96, 96)), indexing="ij")
    first = np.exp(-((np.mod(x + z + 0.3 * y, 24) - 12) ** 2) / 8)
    second = np.exp(-((np.mod(y - 0.5 * z, 31) - 15) ** 2) / 8)
    grain = np.random.default_rng(seed).standard_normal(z.shape)
    return np.asarray(0.3 + 0.4 * np.maximum(first, second) + noise * grain, np.float32)


def gradients(*, noise: float, seed: int = 4) -> np.ndarray:
    """Smooth gradients (61, 96, 96) with a ball and a slab in them, whose edges are sharp."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in (61, 96, 96)), indexing="ij")
    image = 0.5 + 0.2 * x + 0.15 * np.sin(3 * z + 2 * y) + np.where(x**2 + y**2 + z**2 < 0.5, 0.25, 0)
    image -= np.where(np.abs(y - 0.4 * z) < 0.08, 0.3, 0)
    return np.asarray(image + noise * np.random.default_rng(seed).standard_normal(image.shape), np.float32)


def _grid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    z, y, x = np.meshgrid(*map(np.arange, (61, 96, 96)), indexing="ij")
    return z, y, x


def tubes(*, noise: float, seed: int = 5) -> np.ndarray:
    """Hollow tubes (61, 96, 96), oblique by 45°: they move by a voxel from plane to plane."""
    z, y, x = _grid()
    rng = np.random.default_rng(seed)
    image, across = np.full(z.shape, 0.35), (x - z) / np.sqrt(2)
    for u, v, radius_px in zip(rng.uniform(-50, 75, 30), rng.uniform(0, 96, 30), rng.uniform(3, 8, 30), strict=True):
        image += 0.35 * np.exp(-((np.hypot(across - u, y - v) - radius_px) ** 2) / 3)
    return np.asarray(np.clip(image, 0, 1) + noise * rng.standard_normal(z.shape), np.float32)


def shells(*, noise: float, seed: int = 6) -> np.ndarray:
    """Layers (61, 96, 96) around three centres, one of them inside."""
    z, y, x = _grid()
    image = np.full(z.shape, 0.5)
    for (cz, cy, cx), period_px in (((-20, 20, 30), 17), ((75, 70, 60), 23), ((30, 40, 80), 13)):
        image += 0.12 * np.sin(2 * np.pi * np.sqrt((z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2) / period_px)
    return np.asarray(image + noise * np.random.default_rng(seed).standard_normal(z.shape), np.float32)


def dots(*, noise: float, seed: int = 7) -> np.ndarray:
    """Bright dots (61, 96, 96) of σ 2 px, most of them between two sections."""
    rng = np.random.default_rng(seed)
    points = np.zeros((61, 96, 96), np.float32)
    points[tuple(rng.integers(0, n, 900) for n in points.shape)] = 1
    image = gaussian_filter(points, 2, mode="wrap")
    return np.asarray(0.3 + 0.5 * image / image.max() + noise * rng.standard_normal(image.shape), np.float32)


def turning_rods(*, noise: float, seed: int = 8) -> np.ndarray:
    """Pairs of rods (61, 96, 96) that turn around each other, half a turn in 30 planes."""
    z, y, x = _grid()
    rng = np.random.default_rng(seed)
    image = np.full(z.shape, 0.3)
    for cy, cx in product(range(12, 96, 24), repeat=2):
        angle = np.pi * z / 30 * rng.choice([-1, 1]) + rng.uniform(0, 6)
        for a in (angle, angle + np.pi):
            image += 0.4 * np.exp(-((y - cy - 7 * np.sin(a)) ** 2 + (x - cx - 7 * np.cos(a)) ** 2) / 8)
    return np.asarray(image + noise * rng.standard_normal(z.shape), np.float32)


def lines(*, noise: float, seed: int = 9) -> np.ndarray:
    """Straight lines (61, 96, 96) of σ 1.3 px in all directions, as weak as their noise, like microtubules."""
    rng = np.random.default_rng(seed)
    image, along = np.zeros((61, 96, 96), np.float32), np.arange(-120, 120, 0.5)[:, None]
    for _ in range(60):
        direction = rng.standard_normal(3)
        points = rng.uniform(0, image.shape) + along * direction / np.linalg.norm(direction)
        inside = ((points > -0.5) & (points < np.array(image.shape) - 0.5)).all(1)
        image[tuple(points[inside].round().astype(int).T)] = 1
    image = gaussian_filter(image, 1.3)
    grain = noise * rng.standard_normal(image.shape)
    return np.asarray(0.3 + 0.5 * image / np.percentile(image, 99.8) + grain, np.float32)


def foam(*, noise: float, seed: int = 10) -> np.ndarray:
    """Thin bright walls (61, 96, 96) between cells of some 14 px."""
    rng = np.random.default_rng(seed)
    distances, _ = cKDTree(rng.uniform(-10, 106, (350, 3))).query(np.stack(_grid(), -1), k=2)
    image = gaussian_filter(np.where(distances[..., 1] - distances[..., 0] < 1.5, 0.9, 0.2), 0.7)
    return np.asarray(image + noise * rng.standard_normal(image.shape), np.float32)


def membranes(*, noise: float, seed: int = 11) -> np.ndarray:
    """Dark membranes (61, 96, 96) of three widths, with sharp edges."""
    rng = np.random.default_rng(seed)
    image = np.full((61, 96, 96), 0.7)
    for size_px, half_width in ((9, 0.08), (7, 0.25), (5, 0.5)):
        field = gaussian_filter(rng.standard_normal(image.shape), size_px, mode="wrap")
        image[np.abs(field / field.std()) < half_width] = 0.2
    return np.asarray(gaussian_filter(image, 0.7) + noise * rng.standard_normal(image.shape), np.float32)


def phantoms(factor: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names and volumes of what no tissue looks like."""
    yield "fibres along z", fibres(40, 1, 0.02)
    yield "slow change along z", fibres(20, 3, 0.05)
    yield "random texture", fibres(3.5, 3.5, 0.03)
    yield "random texture, averaged over the thickness", uniform_filter1d(fibres(3.5, 3.5, 0), factor, axis=0)
    yield "noise", fibres(0.3, 0.3, 0)
    yield (
        "random texture, averaged over half of the thickness",
        uniform_filter1d(fibres(3.5, 3.5, 0.01), factor // 2, axis=0),
    )
    yield "random texture, 4 sections", fibres(3.5, 3.5, 0.03)[: 3 * factor + 1]
    yield "round bodies", spheres(noise=0.02)
    yield "black and white", black_and_white()
    yield "oblique sheets", oblique_sheets(noise=0.03)
    yield "gradients with sharp edges", gradients(noise=0.02)
    yield "tubes at 45 degrees", tubes(noise=0.03)
    yield "layered shells", shells(noise=0.03)
    yield "dots", dots(noise=0.03)
    yield "turning pairs of rods", turning_rods(noise=0.03)
    yield "fine texture", fibres(1, 1, 0.03)
    yield "lines in noise", lines(noise=0.12)
    yield "foam", foam(noise=0.05)
    yield "membranes of three widths", membranes(noise=0.04)


def crops(path: Path, factor: int) -> Iterator[tuple[str, np.ndarray]]:
    """The last report crop of a volume, as float32, and changed ways of it."""
    volume = read(path, voxel_size_nm=VOXEL_SIZE_NM)
    crop = report_crops(volume.shape, factor, tuned_planes=TUNED_PLANES.get(path.stem, 0), n=1)[-1]
    data = np.asarray(np.asarray(volume.data)[crop.slices], np.float32)
    name, spread = path.name.partition(".")[0], float(data.std())
    yield name, data
    yield f"{name}, sections averaged over their thickness", uniform_filter1d(data, factor, axis=0)
    yield f"{name}, inverted", data.max() - data
    fading = np.linspace(1, 0.3, data.shape[0])[:, None, None] * np.linspace(0.3, 1, data.shape[2])
    yield (
        f"{name}, contrast that changes from place to place",
        np.asarray(data.mean() + fading * (data - data.mean()), np.float32),
    )
    yield (
        f"{name}, noise of half its contrast",
        data + 0.5 * spread * np.random.default_rng(0).standard_normal(data.shape, np.float32),
    )


def row(name: str, data: np.ndarray, options: Options) -> str:
    """Line of the table."""
    made: list[Any] = []

    def train(stack: Volume) -> Any:
        made.append(reconstruct(stack, preset=options.preset))
        return made[0].render

    volume = Volume(np.ascontiguousarray(data), VOXEL_SIZE_NM)
    *plain, ours = evaluate(volume, options.factor, [*PLAIN, ("emgauss", train)], with_fsim=False).methods
    best_db, best_ssim = max(score.psnr_db for score in plain), max(score.ssim for score in plain)
    share = (made[0].record.get("teacher") or {}).get("shares", {}).get("prior")
    told = "–" if share is None else f"{share:.2f}"
    return (
        f"| {name} | {best_db:.2f} | {ours.psnr_db:.2f} | {ours.psnr_db - best_db:+.2f} "
        f"| {ours.ssim - best_ssim:+.3f} | {told} |\n"
    )


def main(options: Options) -> int:
    """Measure every row and write the page."""
    command = "python -m benchmarks.fallback " + " ".join(path.name for path in options.volumes)
    text = HEAD.format(command=command.strip(), factor=options.factor, preset=f"`{options.preset}`")
    stacks = [*phantoms(options.factor), *(pair for path in options.volumes for pair in crops(path, options.factor))]
    for name, data in stacks:
        line = row(name, data, options)
        Console(width=160).print(line.rstrip(), highlight=False)
        text += line
        if options.output is not None:
            options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
