"""Writers that keep the voxel size, which napari's own do not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from napari_emgauss._napari.controls.activity import Activity, redraw
from napari_emgauss._napari.viewer.layers import from_layer

REDRAWN_S = 0.1


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
