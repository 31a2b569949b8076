"""What single sections suffer from: noise, damage, uneven brightness and small shifts, found without a model."""

from napari_emgauss.sections.correct import MAX_SHIFT_PX, SLOW_SECTIONS, estimate_corrections
from napari_emgauss.sections.corrections import Corrections
from napari_emgauss.sections.evidence import Evidence, choose_corrections, improves
from napari_emgauss.sections.noise import (
    NoiseEstimate,
    denoise_lightly,
    estimate_noise,
    noise_level,
    psnr_ceiling_db,
)

__all__ = [
    "MAX_SHIFT_PX",
    "SLOW_SECTIONS",
    "Corrections",
    "Evidence",
    "NoiseEstimate",
    "choose_corrections",
    "denoise_lightly",
    "estimate_corrections",
    "estimate_noise",
    "improves",
    "noise_level",
    "psnr_ceiling_db",
]
