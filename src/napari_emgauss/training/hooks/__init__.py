"""Hooks of the training loop that several methods use."""

from napari_emgauss.training.hooks.average import MovingAverage
from napari_emgauss.training.hooks.density import DensityHook, DensityRules, MemberChange

__all__ = ["DensityHook", "DensityRules", "MemberChange", "MovingAverage"]
