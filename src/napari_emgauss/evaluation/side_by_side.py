"""A reconstruction and plain interpolation at the same place, as grey images to look at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.evaluation.held_out import check_stack
from napari_emgauss.interpolation.plain import Baseline
from napari_emgauss.methods.emgauss import Reconstruction, corrected_like
from napari_emgauss.resampling.plain import PlainInterpolation, Stop
from napari_emgauss.volume import Volume

Grey = npt.NDArray[np.uint8]
CONTRAST_PERCENTILES = (0.3, 99.7)
DIFFERENCE_GAIN = 2.0
"""Differences are shown this much stronger than intensities."""
PLANES_AT_ONCE = 32
"""Rows of a cut that are drawn between two looks at whether to stop."""

OVERVIEW_PX = 768


@dataclass(frozen=True, eq=False)
class ComparedImages:
    """One place drawn in several ways, in the stack's intensity units."""

    reconstruction: FloatArray
    interpolation: FloatArray
    stack: FloatArray
    """The nearest section of the whole stack, also where it was held out."""


@dataclass(frozen=True, eq=False)
class GreyImages:
    """`ComparedImages` as bytes, all with the same contrast."""

    reconstruction: Grey
    interpolation: Grey
    stack: Grey
    difference: Grey
    """Reconstruction minus interpolation; mid-grey (128) where they agree."""
    overview: GreyImages | None = None
    """The same at most `OVERVIEW_PX` wide and high, averaged; None where they are no larger."""


class SideBySide:
    """Sections and cuts of a reconstruction beside those of a plain interpolation.

    Parameters
    ----------
    reconstruction
        What is compared.
    volume
        The stack it was trained on; shown as corrected, where the training corrected single sections.
    baseline
        Plain interpolation or its name; it sees only the sections that were trained on.

    Raises
    ------
    VolumeError
        The stack is another one.
    """

    def __init__(self, reconstruction: Reconstruction, volume: Volume, baseline: Baseline | str = "linear") -> None:
        check_stack(volume, reconstruction)
        volume = corrected_like(volume, reconstruction.record)
        self.reconstruction = reconstruction
        self.plain = PlainInterpolation(volume, reconstruction.observed, baseline)
        self._stack = PlainInterpolation(volume, range(volume.n_sections), "nearest")
        _, dy, dx = reconstruction.voxel_size_nm
        self._planes = reconstruction.planes((min(dy, dx), dy, dx))
        self.depths = [self._planes.section_coordinate(k) for k in range(len(self._planes))]
        middle = volume.section(reconstruction.observed[len(reconstruction.observed) // 2])
        low, high = (float(v) for v in np.percentile(middle, CONTRAST_PERCENTILES))
        self.contrast = (low, high if high > low else low + 1.0)

    @property
    def depth_step_nm(self) -> float:
        """Distance between the rows of a cut: the finer of y and x, so that cuts are isotropic."""
        return self._planes.voxel_size_nm[0]

    def section(self, z: float) -> ComparedImages:
        """Draw images (Y, X) at section coordinate ``z``."""
        return ComparedImages(self.reconstruction.render(z), self.plain(z), self._stack(z))

    def cut(self, axis: int, index: int, *, stop: Stop = lambda: False) -> ComparedImages | None:
        """Draw images (depths, X or Y) across the sections; None when stopped.

        Parameters
        ----------
        axis
            1: an xz image at row ``index``; 2: a yz image at column ``index``.
        index
            Pixel of the section.
        stop
            Asked now and then.
        """
        place = (index, slice(None)) if axis == 1 else (slice(None), index)
        interpolated = self.plain.cut(self.depths, axis=axis, index=index, stop=stop)
        nearest = self._stack.cut(self.depths, axis=axis, index=index, stop=stop)
        if interpolated is None or nearest is None:
            return None
        drawn = np.empty_like(interpolated)
        for first in range(0, len(drawn), PLANES_AT_ONCE):
            if stop():
                return None
            chosen = slice(first, first + PLANES_AT_ONCE)
            drawn[chosen] = self._planes[chosen, *place]
        return ComparedImages(drawn, interpolated, nearest)

    def grey(self, images: ComparedImages) -> GreyImages:
        """Return the images as bytes, in the contrast of the stack."""
        low, high = self.contrast
        gain = 255 / (high - low)
        difference = images.reconstruction - images.interpolation
        full = GreyImages(
            reconstruction=_bytes((images.reconstruction - low) * gain),
            interpolation=_bytes((images.interpolation - low) * gain),
            stack=_bytes((images.stack - low) * gain),
            difference=_bytes(128 + DIFFERENCE_GAIN * gain * difference),
        )
        factor = math.ceil(max(difference.shape) / OVERVIEW_PX)
        if factor == 1:
            return full
        overview = GreyImages(
            reconstruction=_smaller(full.reconstruction, factor),
            interpolation=_smaller(full.interpolation, factor),
            stack=_smaller(full.stack, factor),
            difference=_smaller(full.difference, factor),
        )
        return replace(full, overview=overview)


def _bytes(values: AnyArray) -> Grey:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _smaller(image: Grey, factor: int) -> Grey:
    rows, columns = (math.ceil(n / factor) for n in image.shape)
    return np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
