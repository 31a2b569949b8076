"""Image quality on float images: PSNR, SSIM, FSIM, and Fourier ring and shell correlation."""

from napari_emgauss.metrics.feature_similarity import fsim
from napari_emgauss.metrics.fourier import FourierCorrelation, fourier_ring_correlation, fourier_shell_correlation
from napari_emgauss.metrics.pixelwise import (
    SSIM_BORDER_PX,
    correlation,
    psnr,
    psnr_from_mse,
    ssim,
    ssim_in_mask,
    ssim_map,
)

__all__ = [
    "SSIM_BORDER_PX",
    "FourierCorrelation",
    "correlation",
    "fourier_ring_correlation",
    "fourier_shell_correlation",
    "fsim",
    "psnr",
    "psnr_from_mse",
    "ssim",
    "ssim_in_mask",
    "ssim_map",
]
