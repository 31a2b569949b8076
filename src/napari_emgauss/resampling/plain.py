"""Plain interpolation that sees what a reconstruction saw: some of a stack's sections, at the whole stack's z."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray, Region
from napari_emgauss.blocks import observed_coordinate
from napari_emgauss.errors import ConfigError, SectionRangeError, VolumeError
from napari_emgauss.interpolation.plain import Baseline, Interpolator
from napari_emgauss.volume import Volume

FLOW_MARGIN_PX = 128
"""Rows on either side of a cut from which optical flow is computed: within 0.2 grey levels of 255 of the whole one."""
BLUR_REACH = 4.0
"""Standard deviations at which the Gaussian blur ends (SciPy's)."""

Stop = Callable[[], bool]
_WORDS = {"nearest": "nearest section", "linear": "linear interpolation", "cubic": "cubic interpolation"}


class PlainInterpolation:
    """Interpolation between the observed sections of a stack.

    Gaps may differ in width: section coordinates are mapped piecewise linearly, as a reconstruction does.

    Parameters
    ----------
    volume
        The whole stack.
    observed
        Indices of the sections to interpolate between, increasing, at least two.
    baseline
        A `Baseline` or its name.

    Raises
    ------
    VolumeError
        ``observed`` are not increasing indices of at least two sections.
    """

    def __init__(self, volume: Volume, observed: Sequence[int], baseline: Baseline | str = "linear") -> None:
        self.volume = volume
        self.observed = np.asarray(observed, int)
        n = volume.n_sections
        if (
            self.observed.size < 2
            or (np.diff(self.observed) <= 0).any()
            or not (0 <= self.observed[0] < self.observed[-1] < n)
        ):
            raise VolumeError(
                f"observed must be at least two increasing sections within 0..{n - 1}, got {list(observed)}."
            )
        self.baseline = Baseline.parse(baseline) if isinstance(baseline, str) else baseline
        self.name = self.baseline.name
        self._whole = Interpolator(ObservedSections(volume, self.observed), self.baseline)

    def section(self, z: float) -> FloatArray:
        """Return the image (Y, X) at section coordinate ``z`` of the whole stack, in its intensity units.

        Raises
        ------
        SectionRangeError
            ``z`` is outside the first to the last observed section.
        """
        return self._whole.section(self.coordinate(z))

    __call__ = section

    def coordinate(self, z: float) -> float:
        """Count ``z`` in observed sections.

        Raises
        ------
        SectionRangeError
            As `section`.
        """
        first, last = int(self.observed[0]), int(self.observed[-1])
        if not first <= z <= last:
            raise SectionRangeError(f"z must be within the observed sections {first}..{last}, got {z}.")
        return observed_coordinate(self.observed.tolist(), z)

    def cut(self, zs: Sequence[float], *, axis: int, index: int, stop: Stop = lambda: False) -> FloatArray | None:
        """Return the pixels at ``index`` along ``axis`` of the sections ``zs``, computed from the rows around only.

        Parameters
        ----------
        zs
            Section coordinates.
        axis
            1: row ``index``, an xz image; 2: column ``index``, a yz image.
        index
            Pixel of the section.
        stop
            Asked between sections.

        Returns
        -------
        float32 (len(zs), X or Y), None when stopped. Optical flow is that of a strip `FLOW_MARGIN_PX` to either side.

        Raises
        ------
        ConfigError
            ``axis`` or ``index`` is out of range.
        SectionRangeError
            As `section`.
        """
        size = self.volume.shape[axis] if axis in (1, 2) else 0
        if not 0 <= index < size:
            raise ConfigError(f"a cut is along axis 1 or 2 at a pixel of the section, got axis {axis} at {index}.")
        margin = FLOW_MARGIN_PX if self.baseline.method == "flow" else math.ceil(BLUR_REACH * self.baseline.blur_px) + 1
        low, high = max(index - margin, 0), min(index + margin + 1, size)
        _, height, width = self.volume.shape
        strip = (low, high, 0, width) if axis == 1 else (0, height, low, high)
        thin = Interpolator(ObservedSections(self.volume, self.observed, strip), self.baseline)
        image = np.empty((len(zs), self.volume.shape[3 - axis]), np.float32)
        for out, z in zip(image, zs, strict=True):
            if stop():
                return None
            out[:] = thin.section(self.coordinate(z)).take(index - low, axis - 1)
        return image


def in_words(method: str) -> str:
    """Return a method's name as a person says it: ``flow+blur0.7`` is 'optical flow + blur'."""
    if method.startswith("emgauss"):
        return "EMGauss"
    if method == "learned":
        return "learned interpolation"
    baseline = Baseline.parse(method)
    words = _WORDS.get(baseline.method, "optical flow")
    return f"{words} + blur" if baseline.blur_px else words


class ObservedSections:
    """Some sections of a volume, or a region of each, read one by one."""

    ndim = 3

    def __init__(self, volume: Volume, observed: Sequence[int] | AnyArray, region: Region | None = None) -> None:
        self._volume, self._observed, self._region = volume, observed, region
        y0, y1, x0, x1 = region or (0, volume.shape[1], 0, volume.shape[2])
        self.shape = (len(observed), y1 - y0, x1 - x0)
        self.dtype = volume.dtype

    def __getitem__(self, key: Any) -> AnyArray:
        """Return a section, or a part of it that two slices name."""
        index, *part = key if isinstance(key, tuple) else (key,)
        _, height, width = self.shape
        y0, y1, _ = (part[0] if part else slice(None)).indices(height)
        x0, x1, _ = (part[1] if part[1:] else slice(None)).indices(width)
        top, _, left, _ = self._region or (0, height, 0, width)
        region = (top + y0, top + y1, left + x0, left + x1)
        return self._volume.section(int(self._observed[int(index)]), region)
