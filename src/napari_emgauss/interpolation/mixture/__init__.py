"""Predictions between sections by networks and by plain interpolation, mixed as hidden sections tell."""

from napari_emgauss.interpolation.mixture.calibration import Calibration
from napari_emgauss.interpolation.mixture.evidence import (
    HiddenSection,
    MixtureEvidence,
    assumed_evidence,
    gather_evidence,
)
from napari_emgauss.interpolation.mixture.fusion import FusedInterpolator, Learned, Stack, joined

__all__ = [
    "Calibration",
    "FusedInterpolator",
    "HiddenSection",
    "Learned",
    "MixtureEvidence",
    "Stack",
    "assumed_evidence",
    "gather_evidence",
    "joined",
]
