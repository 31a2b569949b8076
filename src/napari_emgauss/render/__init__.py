"""Rasterizers that splat 2D Gaussians: compiled on the CPU, gsplat or torch on a GPU, and a float64 definition."""

from napari_emgauss._threads import get_threads, set_threads
from napari_emgauss.render.backends import Backend, BackendState, Mode, available_backends
from napari_emgauss.render.splatting import splat

__all__ = ["Backend", "BackendState", "Mode", "available_backends", "get_threads", "set_threads", "splat"]
