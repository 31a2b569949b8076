"""Intensity scaling, and the scores of sections and of the planes across them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.metrics import SSIM_BORDER_PX, fsim, psnr, psnr_from_mse, ssim, ssim_map
from napari_emgauss.volume import Volume


@dataclass(frozen=True)
class IntensityScale:
    """Map of a volume's intensities to [0, 1], so that scores of different types are comparable."""

    low: float
    high: float
    limits: tuple[float, float] | None
    """Range of an integer type; predictions are clipped to it, as writing the volume would."""

    @classmethod
    def of(cls, volume: Volume) -> IntensityScale:
        """Take 0..255 for uint8; for wider types the volume's own extremes, since few use their whole range."""
        info = np.iinfo(volume.dtype) if volume.dtype.kind in "ui" else None
        limits = (float(info.min), float(info.max)) if info else None
        if volume.dtype == np.uint8:
            return cls(0.0, 255.0, limits)
        extremes = [(section.min(), section.max()) for section in map(volume.section, range(volume.n_sections))]
        low, high = float(min(e[0] for e in extremes)), float(max(e[1] for e in extremes))
        if low == high:
            raise VolumeError(
                f"all intensities are {low:g}; there is nothing to score. Choose a volume with structure."
            )
        return cls(low, high, limits)

    def to_unit(self, image: AnyArray) -> FloatArray:
        """Return the image as new float32 values, 0 at ``low`` and 1 at ``high``."""
        values = image.astype(np.float32) if self.limits is None else np.clip(image.astype(np.float32), *self.limits)
        return np.asarray((values - np.float32(self.low)) / np.float32(self.high - self.low), np.float32)


@dataclass(frozen=True)
class ImageScore:
    """Scores of one image on [0, 1] intensities."""

    psnr_db: float
    ssim: float
    fsim: float = math.nan


def score_section(image: FloatArray, truth: FloatArray, *, with_fsim: bool = True) -> ImageScore:
    """Score a whole section."""
    return ImageScore(psnr(image, truth), ssim(image, truth), fsim(image, truth) if with_fsim else math.nan)


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
