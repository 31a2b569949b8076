"""Scores of sections and of the planes across them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.metrics import SSIM_BORDER_PX, fourier_ring_correlation, fsim, psnr, psnr_from_mse, ssim, ssim_map

STRUCTURE_FREQUENCIES = (0.03, 0.25)
"""Cycles per pixel: from organelles to membranes; beyond is mostly noise."""


@dataclass(frozen=True)
class ImageScore:
    """Scores of one image on [0, 1] intensities."""

    psnr_db: float
    ssim: float
    fsim: float = math.nan


def score_section(image: FloatArray, truth: FloatArray, *, with_fsim: bool = True) -> ImageScore:
    """Score a whole section."""
    return ImageScore(psnr(image, truth), ssim(image, truth), fsim(image, truth) if with_fsim else math.nan)


def structure(image: FloatArray, truth: FloatArray) -> float:
    """Return the mean Fourier ring correlation of two sections over `STRUCTURE_FREQUENCIES`, -1 to 1.

    A blur weakens each ring and leaves its correlation as it is: unlike PSNR and SSIM blurring cannot raise it.
    """
    rings = fourier_ring_correlation(image, truth)
    low, high = STRUCTURE_FREQUENCIES
    inside = (rings.frequency >= low) & (rings.frequency <= high)
    return float(rings.correlation[inside].mean())


def score_planes(planes: FloatArray, truth: FloatArray, withheld: npt.NDArray[np.bool_]) -> ImageScore:
    """Score planes (n, Z, X or Y) in the mean, counting the withheld rows of each only.

    SSIM's window still sees the observed rows around; rows and columns within its rim do not count. NaN where
    no withheld row is left.
    """
    rim = SSIM_BORDER_PX
    n_rows, n_columns = truth.shape[1:]
    inner = withheld.copy()
    inner[:rim] = inner[max(n_rows - rim, 0) :] = False
    errors = [
        float(np.mean(np.square(p[withheld] - t[withheld]), dtype=np.float64))
        for p, t in zip(planes, truth, strict=True)
    ]
    psnr_db = float(np.mean([psnr_from_mse(error) for error in errors]))
    if not inner.any() or min(n_rows, n_columns) <= 2 * rim:
        return ImageScore(psnr_db, math.nan)
    similarity = [ssim_map(p, t)[inner, rim:-rim].mean() for p, t in zip(planes, truth, strict=True)]
    return ImageScore(psnr_db, float(np.mean(similarity)))


class PlaneBuffer:
    """Evenly spaced xz and yz planes of a volume that is seen section by section.

    Parameters
    ----------
    shape
        Shape (Z, Y, X) of the volume.
    n_planes
        Largest number of planes to keep across each axis.
    """

    def __init__(self, shape: tuple[int, int, int], n_planes: int) -> None:
        n_z, n_y, n_x = shape
        self.y_indices, self.x_indices = _evenly(n_y, n_planes), _evenly(n_x, n_planes)
        self.xz = np.empty((self.y_indices.size, n_z, n_x), np.float32)
        self.yz = np.empty((self.x_indices.size, n_z, n_y), np.float32)

    def put(self, k: int, image: FloatArray) -> None:
        """Take row ``k`` of every plane from section ``k`` of the isotropic volume."""
        self.xz[:, k] = image[self.y_indices]
        self.yz[:, k] = image[:, self.x_indices].T


def _evenly(size: int, n: int) -> npt.NDArray[np.intp]:
    # Centres of n equal parts, so that few planes do not sit on the faces of the volume.
    return np.unique(((np.arange(n) + 0.5) * size / n).astype(np.intp))
