"""Honest scores: withhold sections of an isotropic volume, reconstruct them, compare with plain interpolation."""

from napari_emgauss.evaluation.held_out import (
    HeldOut,
    HeldOutScore,
    HeldOutSectionScore,
    held_out_sections,
    plain_levels,
    score_held_out,
)
from napari_emgauss.evaluation.places import Place, Places, places_by_uncertainty
from napari_emgauss.evaluation.results import Evaluation, MethodScore, PhaseScore, SectionScore
from napari_emgauss.evaluation.run import DEFAULT_METHODS, evaluate
from napari_emgauss.evaluation.side_by_side import ComparedImages, GreyImages, SideBySide
from napari_emgauss.evaluation.sources import SectionSource, SourceFactory

__all__ = [
    "DEFAULT_METHODS",
    "ComparedImages",
    "Evaluation",
    "GreyImages",
    "HeldOut",
    "HeldOutScore",
    "HeldOutSectionScore",
    "MethodScore",
    "PhaseScore",
    "Place",
    "Places",
    "SectionScore",
    "SectionSource",
    "SideBySide",
    "SourceFactory",
    "evaluate",
    "held_out_sections",
    "places_by_uncertainty",
    "plain_levels",
    "score_held_out",
]
