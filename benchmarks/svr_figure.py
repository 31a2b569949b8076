"""The picture of the guide: ``python -m benchmarks.svr_figure docs/images/slices-to-volume.png``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import numpy as np
import tyro
from tyro.conf import Positional

from napari_emgauss.evaluation.slices.methods import resolve_slice_methods
from napari_emgauss.phantoms import Acquisition, brain_phantom, simulate_stacks
from napari_emgauss.registration import align_volume
from napari_emgauss.slices import WorldVolume

METHODS = {"mean": "mean of the stacks", "classical": "voxels and registration", "svr": "3D Gaussians"}


def main(output: Annotated[Path, Positional], seed: int = 0) -> None:
    """Draw one coronal plane of a synthetic brain by every method."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    truth, mask = brain_phantom()
    acquired = simulate_stacks(truth, mask, Acquisition(), seed=seed)
    stack = acquired.stacks[0]
    images = {"one stack": WorldVolume(stack.images, stack.affine).resampled(truth.grid, order=0)}
    for name, method in resolve_slice_methods(METHODS):
        volume = method(acquired.stacks, truth.grid, None).volume
        images[METHODS[name]] = volume.resampled(truth.grid.moved(align_volume(volume, truth, mask)), order=3)
    images["truth"] = truth
    white = float(np.percentile(truth.values, 99.7))
    figure, axes = plt.subplots(1, len(images), figsize=(3 * len(images), 3.2))
    for axis, (title, volume) in zip(axes, images.items(), strict=True):
        y = volume.values.shape[1] // 2
        axis.imshow(volume.values[:, y], cmap="gray", origin="lower", vmin=0, vmax=white)
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    tyro.cli(main)
