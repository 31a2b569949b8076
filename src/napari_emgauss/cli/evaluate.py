"""``napari-emgauss evaluate`` and ``evaluate-slices``: score methods on what was withheld from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from tyro.conf import Positional

from napari_emgauss.errors import VolumeError
from napari_emgauss.runtime.device import DeviceName
from napari_emgauss.volume import Volume


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score methods on sections withheld from an isotropic volume: does it beat interpolation on your tissue."""

    volume: Positional[Path]
    """Isotropic volume of tissue like yours."""
    factor: int = 6
    """Anisotropy to simulate: every factor-th section is kept."""
    methods: tuple[str, ...] = ("linear", "linear+blur0.7", "flow+blur0.7", "emgauss:fast")
    """nearest, linear, cubic, flow, each with +blurSIGMA; emgauss or emgauss:PRESET."""
    voxel_size_nm: tuple[float, float, float] | None = None
    """Voxel size z y x in nanometres; needed where the file does not say."""
    dataset: str | None = None
    """Name of the dataset in an HDF5 file with several."""
    crop: tuple[int, int, int, int, int, int] | None = None
    """Part to use: z0 z1 y0 y1 x0 x1 in voxels."""
    output_dir: Path | None = None
    """Folder for the table (CSV, JSON) and the figure (PNG)."""
    device: DeviceName = "auto"
    """Where to train."""
    seed: int = 0
    """Seed of the training."""
    set: tuple[str, ...] = ()
    """Other settings of emgauss as name=value."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Score methods on the withheld sections of an isotropic volume."""
        from napari_emgauss.cli.display import TrainingDisplay, plain_console
        from napari_emgauss.cli.outputs import check_results_folder, write_results
        from napari_emgauss.cli.settings import parse_settings
        from napari_emgauss.evaluation import evaluate
        from napari_emgauss.io import read

        console = plain_console()
        if self.output_dir is not None:
            check_results_folder(self.output_dir)
        volume = read(self.volume, voxel_size_nm=self.voxel_size_nm, dataset=self.dataset)
        if self.crop is not None:
            volume = cropped(volume, self.crop)
        with TrainingDisplay(console) as display:
            result = evaluate(
                volume,
                self.factor,
                self.methods,
                seed=self.seed,
                device=self.device,
                on_event=display,
                **parse_settings(self.set),
            )
        console.print(result.table())
        console.print(result.verdict())
        if self.output_dir is not None:
            for path in write_results(result, self.output_dir):
                console.print(str(path))
        return 0


@dataclass(frozen=True, kw_only=True)
class EvaluateSlices:
    """Score methods on stacks of thick, moving slices that are simulated from a volume."""

    volume: Positional[Path]
    """Isotropic NIfTI volume."""
    mask: Path | None = None
    """What belongs to the object, on the volume's grid; by default what is brighter than a tenth of the maximum."""
    methods: tuple[str, ...] = ("mean", "cg", "cg+stacks", "classical", "svr")
    """mean, scattered, cg, cg+stacks, classical and svr; cg:LAMBDA, classical:ROUNDS."""
    thickness_mm: float = 4.0
    """Of the slices, which are as far apart."""
    motion_deg: float = 3.0
    """Root mean square angle by which slices are turned."""
    motion_mm: float = 1.5
    """Root mean square distance by which they are moved."""
    noise: float = 0.02
    """Standard deviation of the noise by the largest intensity in the mask."""
    corrupted: float = 0.05
    """Share of slices that are damaged."""
    profile: Literal["mri", "box"] = "mri"
    """Of the slices."""
    known_motion: bool = False
    """Tell the methods how the slices moved."""
    seed: int = 0
    """Of the motion, the noise and the damage."""
    output_json: Path | None = None
    """Where to write the scores, too."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Simulate stacks, reconstruct the volume from them, and compare it with the truth."""
        from napari_emgauss.cli.display import plain_console
        from napari_emgauss.cli.outputs import check_outputs
        from napari_emgauss.evaluation.slices import evaluate_slices
        from napari_emgauss.io.stacks import read_world_volume
        from napari_emgauss.phantoms import Acquisition
        from napari_emgauss.slices import PROFILES

        console = plain_console()
        if self.output_json is not None:
            check_outputs([self.output_json], inputs=[self.volume], overwrite=True)
        truth = read_world_volume(self.volume)
        mask = None if self.mask is None else read_world_volume(self.mask).values > 0
        if mask is not None and mask.shape != truth.values.shape:
            raise VolumeError(
                f"the mask has {mask.shape} voxels, the volume {truth.values.shape}; they must agree. Resample it."
            )
        result = evaluate_slices(
            truth,
            mask,
            self.methods,
            acquisition=Acquisition(
                thickness_mm=self.thickness_mm,
                pixel_mm=float(truth.spacing_mm.min()),
                motion_deg=self.motion_deg,
                motion_mm=self.motion_mm,
                noise=self.noise,
                corrupted=self.corrupted,
                profile=PROFILES[self.profile],
            ),
            known_motion=self.known_motion,
            seed=self.seed,
            progress=lambda name: console.print(f"{name} ..."),
        )
        console.print(result.table())
        if self.output_json is not None:
            result.to_json(self.output_json)
        return 0


def cropped(volume: Volume, crop: tuple[int, int, int, int, int, int]) -> Volume:
    """Return a part of a volume: z0 z1 y0 y1 x0 x1 in voxels, half-open."""
    bounds = [(crop[2 * axis], crop[2 * axis + 1]) for axis in range(3)]
    if not all(0 <= a < b <= n for (a, b), n in zip(bounds, volume.shape, strict=True)):
        raise VolumeError(f"crop must be z0 z1 y0 y1 x0 x1 within the volume's {volume.shape}, got {crop}.")
    slices = tuple(slice(a, b) for a, b in bounds)
    origin = tuple(o + a * d for o, (a, _), d in zip(volume.origin_nm, bounds, volume.voxel_size_nm, strict=True))
    return Volume(np.asarray(volume.data[slices]), volume.voxel_size_nm, (origin[0], origin[1], origin[2]))
