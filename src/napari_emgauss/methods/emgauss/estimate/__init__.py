"""Estimate of what a training will take on this machine, from a few moments of each of its parts."""

from napari_emgauss.methods.emgauss.estimate.whole import Estimate, estimate

__all__ = ["Estimate", "estimate"]
