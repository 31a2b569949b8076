"""Rasterizers that splat 2D Gaussians: compiled for the CPU, triton, gsplat or torch on a GPU, and in float64."""

from napari_emgauss.render.backends import Backend, BackendState, Mode, available_backends
from napari_emgauss.render.gauss_newton import gauss_newton_step
from napari_emgauss.render.splatting import splat, splat_several
from napari_emgauss.render.tangent import Tangent
from napari_emgauss.runtime.threads import get_threads, set_threads

__all__ = [
    "Backend",
    "BackendState",
    "Mode",
    "Tangent",
    "available_backends",
    "gauss_newton_step",
    "get_threads",
    "set_threads",
    "splat",
    "splat_several",
]
