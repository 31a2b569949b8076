"""Oriented stacks and world volumes in files."""

from napari_emgauss.io.stacks.nifti import NIFTI_SUFFIXES, is_nifti
from napari_emgauss.io.stacks.reading import check_order_of_masks, read_nifti_stack, read_stack, stated_thickness
from napari_emgauss.io.stacks.world import NiftiVolume, read_world_volume, write_stack, write_world_volume

__all__ = [
    "NIFTI_SUFFIXES",
    "NiftiVolume",
    "check_order_of_masks",
    "is_nifti",
    "read_nifti_stack",
    "read_stack",
    "read_world_volume",
    "stated_thickness",
    "write_stack",
    "write_world_volume",
]
