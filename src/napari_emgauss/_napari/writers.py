"""Writers that keep the voxel size, which napari's own do not."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.layers import from_layer


def write_volume(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one image layer to an OME-TIFF, OME-Zarr or MRC file, by suffix; napari has asked about replacing."""
    from napari_emgauss.io import write

    return [str(write(from_layer(data, attributes), path, overwrite=True))]
