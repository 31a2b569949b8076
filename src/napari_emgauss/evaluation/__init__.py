"""Honest scores: withhold sections of an isotropic volume, reconstruct them, compare with plain interpolation."""

from napari_emgauss.evaluation.results import Evaluation, MethodScore, PhaseScore, SectionScore
from napari_emgauss.evaluation.run import DEFAULT_METHODS, evaluate
from napari_emgauss.evaluation.sources import SectionSource, SourceFactory

__all__ = [
    "DEFAULT_METHODS",
    "Evaluation",
    "MethodScore",
    "PhaseScore",
    "SectionScore",
    "SectionSource",
    "SourceFactory",
    "evaluate",
]
