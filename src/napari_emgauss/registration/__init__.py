"""Rigid registration: slices, stacks and volumes to a volume."""

from napari_emgauss.registration.pixels import SlicePixels
from napari_emgauss.registration.slices import SliceFit, register_slices
from napari_emgauss.registration.stacks import align_stacks, register_stack
from napari_emgauss.registration.volumes import align_volume

__all__ = ["SliceFit", "SlicePixels", "align_stacks", "align_volume", "register_slices", "register_stack"]
