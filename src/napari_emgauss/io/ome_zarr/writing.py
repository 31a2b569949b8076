"""OME-Zarr 0.5 written plane by plane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import LocalStore

from napari_emgauss._types import AnyArray
from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.guard import array_bytes
from napari_emgauss.io.ome_zarr.attributes import image_attributes
from napari_emgauss.io.ome_zarr.pyramid import Level, plan_levels
from napari_emgauss.volume import Volume


def write_ome_zarr(
    volume: Volume, path: Path, planes: Iterator[AnyArray], *, metadata: dict[str, Any], overwrite: bool
) -> None:
    """Write OME-Zarr 0.5: levels averaged while the planes pass by, each pixel's centre kept in place."""
    specs = plan_levels(volume.shape, volume.voxel_size_nm, volume.origin_nm)
    n_bytes = sum(array_bytes(s.shape, volume.dtype.itemsize) for s in specs)
    attributes = image_attributes(path.name, specs, metadata)
    with replacing(path, overwrite=overwrite, n_bytes=n_bytes) as temporary:
        group = zarr.create_group(LocalStore(temporary), zarr_format=3, attributes=attributes)
        level: Level | None = None
        for index in reversed(range(len(specs))):
            spec = specs[index]
            array = group.create_array(
                str(index),
                shape=spec.shape,
                chunks=spec.chunks(volume.dtype.itemsize),
                dtype=volume.dtype.name,
                dimension_names=("z", "y", "x"),
            )
            level = Level(spec, array, volume.dtype, coarser=level)
        assert level is not None
        for plane in planes:
            level.push(plane)
        level.finish()
