"""PSNR and SSIM."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

from napari_emgauss._types import FloatArray
from napari_emgauss.metrics.checks import check_data_range, check_pair

SSIM_SIGMA_PX = 1.5
"""Standard deviation of SSIM's Gaussian window, which is 11 × 11 px."""

SSIM_BORDER_PX = 5
"""Rim in which SSIM's window leaves the image; it counts in no mean."""


def psnr(a: npt.ArrayLike, b: npt.ArrayLike, *, data_range: float = 1.0) -> float:
    """Return the peak signal-to-noise ratio in dB, 10·log10(data_range² / MSE).

    Parameters
    ----------
    a, b
        Images or volumes of equal shape; the measure is symmetric.
    data_range
        Largest possible difference of two intensities: 1 for images scaled to [0, 1].

    Returns
    -------
    float
        Decibels; infinite for identical images.

    Raises
    ------
    VolumeError
        Shapes differ, or values are NaN or infinite.
    ConfigError
        ``data_range`` is not positive.
    """
    first, second = check_pair(a, b)
    error = first - second
    mse = float(np.mean(np.square(error, out=error), dtype=np.float64))
    return psnr_from_mse(mse, data_range=data_range)


def psnr_from_mse(mse: float, *, data_range: float = 1.0) -> float:
    """Return the PSNR in dB of a mean squared error (see `psnr`)."""
    peak = check_data_range(data_range)
    return math.inf if mse == 0 else 10.0 * math.log10(peak * peak / mse)


def ssim(a: npt.ArrayLike, b: npt.ArrayLike, *, data_range: float = 1.0) -> float:
    """Return the structural similarity of two sections: Gaussian window 11 × 11 px (σ 1.5), population covariance.

    These are the settings of Wang et al. 2004 (doi:10.1109/TIP.2003.819861), not scikit-image's defaults (a uniform
    7 × 7 window and sample covariance), which give values about 0.05 higher on noisy EM.

    Parameters
    ----------
    a, b
        Images (Y, X) of equal shape, at least 11 px on each side.
    data_range
        Largest possible difference of two intensities.

    Raises
    ------
    VolumeError
        Shapes differ, are not 2D or too small, or values are NaN or infinite.
    """
    rim = SSIM_BORDER_PX
    return float(np.mean(ssim_map(a, b, data_range=data_range)[rim:-rim, rim:-rim], dtype=np.float64))


def ssim_map(a: npt.ArrayLike, b: npt.ArrayLike, *, data_range: float = 1.0) -> FloatArray:
    """Return the SSIM at every pixel (Y, X); the outer `SSIM_BORDER_PX` rest on mirrored data. See `ssim`."""
    first, second = check_pair(a, b, n_axes=2, min_size_px=2 * SSIM_BORDER_PX + 1)
    _, values = structural_similarity(  # type: ignore[no-untyped-call]
        first,
        second,
        data_range=check_data_range(data_range),
        gaussian_weights=True,
        sigma=SSIM_SIGMA_PX,
        use_sample_covariance=False,
        full=True,
    )
    return np.asarray(values, np.float32)


def ssim_in_mask(a: npt.ArrayLike, b: npt.ArrayLike, mask: npt.ArrayLike, *, data_range: float = 1.0) -> float:
    """Return the mean over a mask of the structural similarity of two volumes: Gaussian window 11 × 11 × 11 (σ 1.5).

    Parameters
    ----------
    a, b
        Volumes (Z, Y, X) of equal shape, at least 11 voxels along each axis.
    mask
        Which voxels count (Z, Y, X).
    data_range
        Largest possible difference of two intensities.

    Raises
    ------
    VolumeError
        Shapes differ, are not 3D or too small, or values are NaN or infinite.
    """
    first, second = check_pair(a, b, n_axes=3, min_size_px=2 * SSIM_BORDER_PX + 1)
    _, values = structural_similarity(  # type: ignore[no-untyped-call]
        first,
        second,
        data_range=check_data_range(data_range),
        gaussian_weights=True,
        sigma=SSIM_SIGMA_PX,
        use_sample_covariance=False,
        full=True,
    )
    return float(np.mean(values[np.asarray(mask, bool)], dtype=np.float64))


def correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return Pearson's correlation of two images; 0 where one of them is constant.

    Raises
    ------
    VolumeError
        Shapes differ, or values are NaN or infinite.
    """
    first, second = (image.astype(np.float64).ravel() for image in check_pair(a, b))
    largest = max(float(np.abs(first).max() * np.abs(second).max()), 1e-300)
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    # float32 rounds a constant.
    return float(first @ second) / size if size > 1e-7 * len(first) * largest else 0.0
