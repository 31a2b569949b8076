"""Slices in space: oriented stacks, how thick their slices are, how they moved, and volumes in world millimetres."""

from napari_emgauss.slices.profile import PROFILES, SliceProfile
from napari_emgauss.slices.stack import SliceStack, check_stacks, common_scale
from napari_emgauss.slices.world import WorldGrid, WorldVolume

__all__ = ["PROFILES", "SliceProfile", "SliceStack", "WorldGrid", "WorldVolume", "check_stacks", "common_scale"]
