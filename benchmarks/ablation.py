"""Ablation of the published method, as one command: ``python -m benchmarks.ablation stack.tif --output table.md``.

Trains the ``paper`` preset with one element changed at a time on the same crop of an isotropic volume whose sections
were thinned out, and scores the withheld sections only.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from rich.console import Console

from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.io import read
from napari_emgauss.methods.emgauss import PRESETS, reconstruct
from napari_emgauss.metrics import psnr, ssim
from napari_emgauss.render import set_threads
from napari_emgauss.volume import Volume

STAGES = ("warmup", "joint", "bootstrap")


@dataclass(frozen=True)
class Options:
    """Ablation of EMGauss as published, on withheld sections of one isotropic volume."""

    volume: Annotated[Path, tyro.conf.Positional]
    """Isotropic volume, for example a FIB-SEM stack."""
    voxel_size_nm: tuple[float, float, float] = (8, 8, 8)
    """Voxel size z y x, used where the file gives none."""
    factor: int = 6
    """Keep every factor-th section."""
    crop: tuple[int, int, int, int] = (60, 120, 20, 96)
    """First plane, row and column of the crop, and its side in pixels."""
    sections: int = 3
    """Number of observed sections."""
    schedule: float = 1.0
    """Scale of all stages; 1 is the preset's schedule, 4 the published one for every bundle."""
    seed: int = 0
    """Seed of all random numbers."""
    only: tuple[str, ...] = ()
    """Names of the variants to run; all by default."""
    threads: int = 0
    """Threads of torch and the kernels; 0 leaves them as they are."""
    output: Path | None = None
    """Markdown file for the table; the numbers go beside it as JSON."""


def variants(base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Overrides of every variant; iterations of a stage that is skipped go to the next one."""
    warmup, joint, bootstrap = (base[stage] for stage in STAGES)
    return {
        "full": {},
        "without teacher": {"use_teacher": False},
        "without warm-up": {"warmup": 0, "joint": warmup + joint},
        "without joint stage": {"joint": 0, "bootstrap": joint + bootstrap},
        "static opacity": {"opacity_varies": False},
        "z-dependent rotation": {"rotation_varies": True},
        "without noise on z": {"z_jitter_start": 0.0, "z_jitter_end": 0.0},
        "without denoising": {"denoise": "none"},
        "smoother Φ (3 frequencies of the mean, none of t)": {"mlp_frequencies_mean": 3, "mlp_frequencies_t": 0},
    }


def score(truth: np.ndarray, factor: int, render: Any) -> tuple[float, float]:
    """Mean PSNR and SSIM over the withheld sections of ``truth`` (uint8)."""
    pairs = [
        (np.clip(render(k / factor) / 255, 0, 1).astype(np.float32), truth[k].astype(np.float32) / 255)
        for k in range(len(truth))
        if k % factor
    ]
    return float(np.mean([psnr(a, b) for a, b in pairs])), float(np.mean([ssim(a, b) for a, b in pairs]))


def main(options: Options) -> None:
    """Run the ablation and write its table."""
    console = Console()
    if options.threads:
        torch.set_num_threads(options.threads)
        set_threads(options.threads)
    z, y, x, side = options.crop
    volume = read(options.volume, voxel_size_nm=options.voxel_size_nm)
    n_planes = (options.sections - 1) * options.factor + 1
    truth = np.asarray(volume.data[z : z + n_planes])[:, y : y + side, x : x + side]
    thinned = Volume(truth, volume.voxel_size_nm).every(options.factor)
    rows = []
    for name in ("linear", "linear+blur0.7", "flow+blur0.7"):
        rows.append({"variant": name, "seconds": 0.0, "gaussians": 0})
        rows[-1]["psnr_db"], rows[-1]["ssim"] = score(truth, options.factor, Interpolator(thinned, name).section)
        console.print(rows[-1])
    base = {stage: round(PRESETS["paper"][stage] * options.schedule) for stage in STAGES}
    density = {
        key: round(PRESETS["paper"][key] * options.schedule)
        for key in ("densify_start", "densify_stop", "opacity_reset_every")
    }
    for name, changes in variants(base).items():
        if options.only and name not in options.only:
            continue
        start = time.perf_counter()
        settings = {**base, **density, **changes}
        result = reconstruct(thinned, preset="paper", seed=options.seed, device="cpu", **settings)
        rows.append({"variant": name, "seconds": time.perf_counter() - start, "gaussians": result.n_gaussians})
        rows[-1]["psnr_db"], rows[-1]["ssim"] = score(truth, options.factor, result.render)
        console.print(rows[-1])
        if options.output is not None:
            write(options, rows)


def write(options: Options, rows: list[dict[str, Any]]) -> None:
    """Write the table as Markdown and JSON."""
    lines = ["| variant | PSNR (dB) | SSIM | Gaussians | seconds |", "|---|---|---|---|---|"]
    lines += [
        f"| {r['variant']} | {r['psnr_db']:.2f} | {r['ssim']:.3f} | {r['gaussians'] or ''} | {r['seconds']:.0f} |"
        for r in rows
    ]
    assert options.output is not None
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n".join(lines) + "\n")
    options.output.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
