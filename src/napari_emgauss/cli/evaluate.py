"""``napari-emgauss evaluate``: score methods on withheld sections."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


def cropped(volume: Volume, crop: tuple[int, int, int, int, int, int]) -> Volume:
    """Return a part of a volume: z0 z1 y0 y1 x0 x1 in voxels, half-open."""
    bounds = [(crop[2 * axis], crop[2 * axis + 1]) for axis in range(3)]
    if not all(0 <= a < b <= n for (a, b), n in zip(bounds, volume.shape, strict=True)):
        raise VolumeError(f"crop must be z0 z1 y0 y1 x0 x1 within the volume's {volume.shape}, got {crop}.")
    slices = tuple(slice(a, b) for a, b in bounds)
    origin = tuple(o + a * d for o, (a, _), d in zip(volume.origin_nm, bounds, volume.voxel_size_nm, strict=True))
    return Volume(np.asarray(volume.data[slices]), volume.voxel_size_nm, (origin[0], origin[1], origin[2]))
