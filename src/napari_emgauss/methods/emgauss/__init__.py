"""EMGauss: z read as time, 2D Gaussians that deform continuously along it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss.config import EmgaussConfig
    from napari_emgauss.methods.emgauss.draft import Draft
    from napari_emgauss.methods.emgauss.estimate import Estimate
    from napari_emgauss.methods.emgauss.presets import PRESETS, PresetName, preset
    from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
    from napari_emgauss.methods.emgauss.study import (
        GUESSES,
        corrected_like,
        describe_evidence,
        describe_sections,
        hidden_in_words,
        hidden_verdict,
    )
    from napari_emgauss.methods.emgauss.train import reconstruct

_HOME = {
    "GUESSES": "study",
    "PRESETS": "presets",
    "Draft": "draft",
    "EmgaussConfig": "config",
    "Estimate": "estimate",
    "PresetName": "presets",
    "Reconstruction": "reconstruction",
    "corrected_like": "study",
    "describe_evidence": "study",
    "describe_sections": "study",
    "hidden_in_words": "study",
    "hidden_verdict": "study",
    "preset": "presets",
    "reconstruct": "train",
}
__all__ = [
    "GUESSES",
    "PRESETS",
    "Draft",
    "EmgaussConfig",
    "Estimate",
    "PresetName",
    "Reconstruction",
    "corrected_like",
    "describe_evidence",
    "describe_sections",
    "hidden_in_words",
    "hidden_verdict",
    "preset",
    "reconstruct",
]


def __getattr__(name: str) -> Any:
    """Import the names when first used, so that settings and presets need no torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
