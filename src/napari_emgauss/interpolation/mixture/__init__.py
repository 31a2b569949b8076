"""Predictions between sections by networks and by plain interpolation, mixed as hidden sections tell."""

from napari_emgauss.interpolation.mixture.calibration import Calibration
from napari_emgauss.interpolation.mixture.evidence import HiddenSection, MixtureEvidence, gather_evidence
from napari_emgauss.interpolation.mixture.fusion import FusedInterpolator, Stack

__all__ = ["Calibration", "FusedInterpolator", "HiddenSection", "MixtureEvidence", "Stack", "gather_evidence"]
