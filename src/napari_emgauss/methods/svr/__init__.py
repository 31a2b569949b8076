"""SVR, slice-to-volume reconstruction: one sharp volume of 3D Gaussians from stacks of thick, moving slices."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_emgauss.methods.svr.config import SvrConfig
    from napari_emgauss.methods.svr.reconstruction import SliceReconstruction
    from napari_emgauss.methods.svr.train import reconstruct_slices

_HOME = {"SliceReconstruction": "reconstruction", "SvrConfig": "config", "reconstruct_slices": "train"}
__all__ = ["SliceReconstruction", "SvrConfig", "reconstruct_slices"]


def __getattr__(name: str) -> Any:
    """Import the names when first used, so that settings need no torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
