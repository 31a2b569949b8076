"""Synthetic data that tests, demos and benchmarks share."""

from napari_emgauss.phantoms.tissue import phantom

__all__ = ["phantom"]
