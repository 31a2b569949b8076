"""OME-Zarr: 0.4 and 0.5 in; 0.5 out, plane by plane, or box by box by many processes at once."""

from napari_emgauss.io.ome_zarr.grid import Box
from napari_emgauss.io.ome_zarr.reading import is_zarr, open_ome_zarr
from napari_emgauss.io.ome_zarr.sharded import ShardedVolume
from napari_emgauss.io.ome_zarr.writing import write_ome_zarr

__all__ = ["Box", "ShardedVolume", "is_zarr", "open_ome_zarr", "write_ome_zarr"]
