"""Writers that keep the voxel size, or the place in space, which napari's own do not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._napari.controls.activity import Activity, redraw
from napari_emgauss._napari.viewer.layers import from_layer

REDRAWN_S = 0.1
PLACE = ("name", "scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "multiscale")
"""Attributes of a layer that say where it lies."""


def write_volume(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one image layer to an OME-TIFF, OME-Zarr or MRC file, by suffix; napari has asked about replacing.

    Planes drawn on demand are drawn one by one. napari waits for a writer: meanwhile its window is repainted and its
    activity dock shows the progress, but it takes no clicks.
    """
    from napari_emgauss.io import write

    volume = from_layer(data[0] if attributes.get("multiscale") else data, attributes)
    activity = Activity()
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > REDRAWN_S:
            last = time.monotonic()
            activity.show(done)
            redraw()

    activity.open(f"Saving {Path(path).name}", volume.n_sections)
    try:
        return [str(write(volume, path, overwrite=True, progress=show))]
    finally:
        activity.close()


def write_nifti(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one image or labels layer to a NIfTI file where it lies in space; napari has asked about replacing."""
    from napari.layers import Layer

    from napari_emgauss._napari.viewer.space import LayerInSpace
    from napari_emgauss.io.stacks import write_world_volume
    from napari_emgauss.slices import WorldVolume

    placed = {name: attributes[name] for name in PLACE if attributes.get(name) is not None}
    image = LayerInSpace.of(Layer.create(data, placed, "image"))
    return [
        str(write_world_volume(WorldVolume(np.asarray(image.data, np.float32), image.affine), path, overwrite=True))
    ]
