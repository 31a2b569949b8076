"""Volumes of voxels from slices, without learning: averages, super-resolution, and rounds of registration with it."""

from napari_emgauss.voxels.averaging import mean_of_stacks, scattered
from napari_emgauss.voxels.operator import SliceOperator
from napari_emgauss.voxels.rounds import ClassicalSvr, classical_svr
from napari_emgauss.voxels.superresolution import super_resolve

__all__ = ["ClassicalSvr", "SliceOperator", "classical_svr", "mean_of_stacks", "scattered", "super_resolve"]
