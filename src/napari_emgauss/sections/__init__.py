"""Faults of single sections, found without a model: noise, damage, uneven brightness and small shifts."""

from napari_emgauss.sections.correction.corrections import Corrections
from napari_emgauss.sections.correction.estimation import (
    CorrectionEstimate,
    estimate_corrections,
)
from napari_emgauss.sections.correction.evidence import CorrectionEvidence, choose_corrections, improves
from napari_emgauss.sections.correction.shifts import MAX_ROUNDS
from napari_emgauss.sections.correction.straightened import CorrectedSections, corrected
from napari_emgauss.sections.quality.inspection import SectionQuality, inspect, left_out
from napari_emgauss.sections.quality.noise import (
    NoiseEstimate,
    denoise_lightly,
    estimate_noise,
    noise_level,
    psnr_ceiling_db,
)
from napari_emgauss.sections.quality.standard import FAR

__all__ = [
    "FAR",
    "MAX_ROUNDS",
    "CorrectedSections",
    "CorrectionEstimate",
    "CorrectionEvidence",
    "Corrections",
    "NoiseEstimate",
    "SectionQuality",
    "choose_corrections",
    "corrected",
    "denoise_lightly",
    "estimate_corrections",
    "estimate_noise",
    "improves",
    "inspect",
    "left_out",
    "noise_level",
    "psnr_ceiling_db",
]
