"""Planes become a volume, by Gaussians: sections of volume EM, thick slices that moved, particles of cryo-EM."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_emgauss._version import __version__ as __version__

if TYPE_CHECKING:
    from napari_emgauss.evaluation import evaluate
    from napari_emgauss.evaluation.slices import evaluate_slices
    from napari_emgauss.io import read, write
    from napari_emgauss.io.particles import read_particles
    from napari_emgauss.io.stacks import read_stack
    from napari_emgauss.methods.emgauss import Reconstruction, reconstruct
    from napari_emgauss.methods.gem import GaussianMap, reconstruct_particles
    from napari_emgauss.methods.registry import load
    from napari_emgauss.methods.svr import SliceReconstruction, reconstruct_slices
    from napari_emgauss.particles import Particles
    from napari_emgauss.slices import SliceStack
    from napari_emgauss.volume import Volume

__all__ = [
    "GaussianMap",
    "Particles",
    "Reconstruction",
    "SliceReconstruction",
    "SliceStack",
    "Volume",
    "evaluate",
    "evaluate_slices",
    "load",
    "read",
    "read_particles",
    "read_stack",
    "reconstruct",
    "reconstruct_particles",
    "reconstruct_slices",
    "write",
]

_HOME = {
    "GaussianMap": "napari_emgauss.methods.gem",
    "Particles": "napari_emgauss.particles",
    "Reconstruction": "napari_emgauss.methods.emgauss",
    "SliceReconstruction": "napari_emgauss.methods.svr",
    "SliceStack": "napari_emgauss.slices",
    "Volume": "napari_emgauss.volume",
    "evaluate": "napari_emgauss.evaluation",
    "evaluate_slices": "napari_emgauss.evaluation.slices",
    "load": "napari_emgauss.methods.registry",
    "read": "napari_emgauss.io",
    "read_particles": "napari_emgauss.io.particles",
    "read_stack": "napari_emgauss.io.stacks",
    "reconstruct": "napari_emgauss.methods.emgauss",
    "reconstruct_slices": "napari_emgauss.methods.svr",
    "reconstruct_particles": "napari_emgauss.methods.gem",
    "write": "napari_emgauss.io",
}


def __getattr__(name: str) -> Any:
    """Import the public names when first used, so that ``import napari_emgauss`` needs no torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
