"""Scores of volumes made of slices: on simulated stacks, whose truth is known, and on a stack that was left out."""

from napari_emgauss.evaluation.slices.left_out import leave_stack_out
from napari_emgauss.evaluation.slices.methods import SLICE_METHODS, GaussiansFromSlices, SliceMethod, SliceVolume
from napari_emgauss.evaluation.slices.results import LeftOutEvaluation, LeftOutScore, SliceEvaluation, SliceScore
from napari_emgauss.evaluation.slices.scores import VolumeScore, score_volume
from napari_emgauss.evaluation.slices.simulated import evaluate_slices

__all__ = [
    "SLICE_METHODS",
    "GaussiansFromSlices",
    "LeftOutEvaluation",
    "LeftOutScore",
    "SliceEvaluation",
    "SliceMethod",
    "SliceScore",
    "SliceVolume",
    "VolumeScore",
    "evaluate_slices",
    "leave_stack_out",
    "score_volume",
]
