"""What single sections suffer from: noise, damage, uneven brightness and small shifts, found without a model."""

from napari_emgauss.sections.correct import MAX_SHIFT_PX, SLOW_SECTIONS, CorrectionEstimate, estimate_corrections
from napari_emgauss.sections.corrected import CorrectedSections, corrected
from napari_emgauss.sections.corrections import Corrections
from napari_emgauss.sections.evidence import Evidence, choose_corrections, improves
from napari_emgauss.sections.noise import (
    NoiseEstimate,
    denoise_lightly,
    estimate_noise,
    noise_level,
    psnr_ceiling_db,
)
from napari_emgauss.sections.quality import SectionQuality, damaged, inspect, left_out
from napari_emgauss.sections.shifts import MAX_ROUNDS

__all__ = [
    "MAX_ROUNDS",
    "MAX_SHIFT_PX",
    "SLOW_SECTIONS",
    "CorrectedSections",
    "CorrectionEstimate",
    "Corrections",
    "Evidence",
    "NoiseEstimate",
    "SectionQuality",
    "choose_corrections",
    "corrected",
    "damaged",
    "denoise_lightly",
    "estimate_corrections",
    "estimate_noise",
    "improves",
    "inspect",
    "left_out",
    "noise_level",
    "psnr_ceiling_db",
]
