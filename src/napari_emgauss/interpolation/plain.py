"""Interpolation between sections without a model: what a reconstruction has to beat."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal, cast, get_args

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from napari_emgauss._types import ArrayLike3D, FloatArray
from napari_emgauss.errors import ConfigError, SectionRangeError, VolumeError
from napari_emgauss.runtime.threads import get_threads
from napari_emgauss.volume import Volume

Method = Literal["nearest", "linear", "cubic", "flow"]
METHODS: tuple[Method, ...] = get_args(Method)

BLURS_PX = (0.7, 1.0)
"""The blurs of the published tables; a plain ``+blur`` means the first."""

_NAME = re.compile(r"(?P<method>[a-z]+)(?P<blur>\+blur(?P<sigma>\d+(\.\d+)?)?)?")
_SPLINE_REACH = 12  # a section's weight falls by 0.27 per section, so it is below 1e-6 here
_FLOW_SAMPLES_PER_SIDE = 512
_MAX_FLOW_THREADS = 4
_flow_lock = threading.Lock()
_flows_under_way: list[int] = []


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """An interpolation along z followed by a blur in xy."""

    method: Method = "linear"
    """``nearest``, ``linear``, ``cubic`` (not-a-knot spline through all sections) or ``flow`` (optical flow both ways,
    warped and blended)."""

    blur_px: float = 0.0
    """Standard deviation of the Gaussian blur in y and x; 0 for none."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(
                f"method must be one of {', '.join(METHODS)}, got {self.method!r}. The default is linear."
            )
        if not (math.isfinite(self.blur_px) and self.blur_px >= 0):
            raise ConfigError(f"blur_px must be a finite number >= 0, got {self.blur_px!r}. Pass 0 for no blur.")

    @classmethod
    def parse(cls, name: str) -> Baseline:
        """Return the baseline of a name such as ``linear``, ``flow+blur`` (σ 0.7 px) or ``cubic+blur1.0``.

        Raises
        ------
        ConfigError
            The name is not of this form.
        """
        match = _NAME.fullmatch(name)
        if match is None or match["method"] not in METHODS:
            raise ConfigError(
                f"unknown baseline {name!r}. Use one of {', '.join(METHODS)}, with '+blur' or '+blur<σ in px>' "
                "if wanted, for example flow+blur0.7."
            )
        blur_px = 0.0 if match["blur"] is None else float(match["sigma"] or BLURS_PX[0])
        return cls(method=cast(Method, match["method"]), blur_px=blur_px)

    @property
    def name(self) -> str:
        """The name that `parse` reads back."""
        return f"{self.method}+blur{self.blur_px}" if self.blur_px else self.method


class Interpolator:
    """Sections at any real z by one baseline.

    The sections in use and the flow of the latest pairs are kept, so that walking along z computes each flow once and
    holds a few sections in memory whatever the length of the stack.

    Parameters
    ----------
    sections
        Array (n, Y, X) or a `Volume`, in any intensity unit; a lazy array is read section by section.
    baseline
        A `Baseline` or its name.

    Raises
    ------
    VolumeError
        ``sections`` has not three axes or no section.
    """

    def __init__(
        self, sections: Volume | ArrayLike3D | npt.NDArray[np.generic], baseline: Baseline | str = "linear"
    ) -> None:
        self.baseline = Baseline.parse(baseline) if isinstance(baseline, str) else baseline
        self._sections = sections
        if len(sections.shape) != 3 or 0 in sections.shape:
            raise VolumeError(f"expected sections of shape (n, Y, X), got {tuple(sections.shape)}. Pass a stack.")
        self.n_sections = int(sections.shape[0])
        n_kept = 2 * _SPLINE_REACH + 2 if self.baseline.method == "cubic" else 3
        # Not of self: in a circle, flows would wait for the garbage collector, which sees small objects only.
        load = self._load = lru_cache(maxsize=n_kept)(partial(_read, sections))
        self._flow = lru_cache(maxsize=2)(lambda lower: both_flows(load(lower), load(lower + 1)))

    def by(self, baseline: Baseline | str) -> Interpolator:
        """Return an interpolator of the same sections by another baseline; what both read and find, is shared."""
        other = copy(self)
        other.baseline = Baseline.parse(baseline) if isinstance(baseline, str) else baseline
        return other

    def section(self, z: float) -> FloatArray:
        """Return the image (Y, X) at section coordinate ``z``, float32 in the input's intensity units.

        Raises
        ------
        SectionRangeError
            ``z`` is outside 0..n-1.
        VolumeError
            A section that is needed contains NaN or infinite values.
        """
        if not 0 <= z <= self.n_sections - 1:
            raise SectionRangeError(
                f"z must be within 0..{self.n_sections - 1}, got {z}. "
                "There is no section to interpolate from outside that range."
            )
        image = self._between(float(z))
        if self.baseline.blur_px:
            image = blurred(image, self.baseline.blur_px)
        return image

    __call__ = section

    def flows(self, lower: int) -> tuple[FloatArray, FloatArray]:
        """Return the optical flow from section ``lower`` to the next and back, as `both_flows` does."""
        return self._flow(lower)

    def _between(self, z: float) -> FloatArray:
        lower = int(z)
        phase = z - lower
        if phase == 0:
            return self._load(lower).copy()
        if self.baseline.method == "nearest":
            return self._load(lower + (phase >= 0.5)).copy()
        if self.baseline.method == "cubic":
            return self._spline(z, lower)
        below, above = self._load(lower), self._load(lower + 1)
        if self.baseline.method == "flow":
            return blend(below, above, phase, self._flow(lower))
        return blend(below, above, phase)

    def _spline(self, z: float, lower: int) -> FloatArray:
        # The spline is linear in the sections: the weights come from the splines through unit vectors.
        first, last = max(lower - _SPLINE_REACH, 0), min(lower + 1 + _SPLINE_REACH, self.n_sections - 1)
        knots = np.arange(first, last + 1)
        weights = CubicSpline(knots, np.eye(knots.size))(z)
        image = np.zeros_like(self._load(lower))
        for index, weight in zip(knots, weights, strict=True):
            if abs(weight) > 1e-6:
                image += np.float32(weight) * self._load(int(index))
        return image


def _read(sections: Volume | ArrayLike3D | npt.NDArray[np.generic], index: int) -> FloatArray:
    if isinstance(sections, Volume):
        return sections.section(index).astype(np.float32)
    image = np.asarray(sections[index], np.float32)
    if not np.isfinite(image).all():
        bad = int(np.count_nonzero(~np.isfinite(image)))
        raise VolumeError(f"section {index} has {bad} NaN or infinite values; replace them or leave the section out.")
    return image


def interpolate(
    sections: Volume | ArrayLike3D | npt.NDArray[np.generic],
    z: float,
    *,
    method: Method = "linear",
    blur_px: float = 0.0,
) -> FloatArray:
    """Return the image (Y, X) at section coordinate ``z``; to walk along a stack an `Interpolator` is faster.

    Parameters
    ----------
    sections
        Array (n, Y, X) or a `Volume`.
    z
        Section coordinate, 0..n-1.
    method, blur_px
        See `Baseline`.
    """
    return Interpolator(sections, Baseline(method=method, blur_px=blur_px)).section(z)


def blend(
    below: FloatArray, above: FloatArray, phase: float, flows: tuple[FloatArray, FloatArray] | None = None
) -> FloatArray:
    """Blend ``below`` and ``above`` at ``phase`` (0..1) of the way between, each first carried there by its flow."""
    if flows is not None:
        up, down = flows
        below, above = warp(below, up, -phase), warp(above, down, phase - 1)
    return np.float32(1 - phase) * below + np.float32(phase) * above


def both_flows(below: FloatArray, above: FloatArray, *, halved: bool = False) -> tuple[FloatArray, FloatArray]:
    """Return the flow from ``below`` to ``above`` and back, images (Y, X) in any intensity unit; see `optical_flow`.

    With ``halved`` it is that of images of half the size: a quarter of the time, and smoother.
    """
    flow = _halved_flow if halved else optical_flow
    first, second = _as_bytes(below, above)
    return flow(first, second), flow(second, first)


def one_flow(start: FloatArray, end: FloatArray, *, halved: bool = False) -> FloatArray:
    """Return the flow from ``start`` to ``end`` alone, as `both_flows` does."""
    return (_halved_flow if halved else optical_flow)(*_as_bytes(start, end))


def moved_on(near: FloatArray, behind: FloatArray, share: float, *, halved: bool = False) -> FloatArray:
    """Move section ``near`` (Y, X) on by ``share`` of its motion from the section ``behind`` it."""
    return warp(near, one_flow(near, behind, halved=halved), share)


def _halved_flow(start: npt.NDArray[np.uint8], end: npt.NDArray[np.uint8]) -> FloatArray:
    size = tuple(max(1, side // 2) for side in start.shape[::-1])
    first, second = (np.asarray(cv2.resize(i, size, interpolation=cv2.INTER_AREA), np.uint8) for i in (start, end))
    flow = optical_flow(first, second) * np.divide(start.shape, first.shape).astype(np.float32)
    return np.asarray(cv2.resize(flow, start.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def optical_flow(start: npt.NDArray[np.uint8], end: npt.NDArray[np.uint8]) -> FloatArray:
    """Return the displacement (Y, X, 2) in px as (y, x) of each pixel from ``start`` to ``end`` (Farnebäck 2003)."""
    unused = np.empty((*start.shape, 2), np.float32)
    with _flow_threads():
        flow_xy = cv2.calcOpticalFlowFarneback(
            start, end, unused, pyr_scale=0.5, levels=5, winsize=41, iterations=7, poly_n=7, poly_sigma=1.5, flags=0
        )
    return np.ascontiguousarray(np.asarray(flow_xy, np.float32)[..., ::-1])


def blurred(image: FloatArray, sigma_px: float) -> FloatArray:
    """Blur an image (Y, X) or (Y, X, c) in y and x: scipy's `gaussian_filter` to rounding, in a fifth of the time."""
    side = 2 * int(4 * sigma_px + 0.5) + 1
    blur = cv2.GaussianBlur(image, (side, side), sigma_px, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blur, np.float32)


def warp(image: FloatArray, flow_px: FloatArray, share: float) -> FloatArray:
    """Sample an image at every pixel plus ``share`` times its flow (y, x): bicubic, edges repeated.

    Bilinear sampling would blur a little, which scores better and would mix up motion with denoising.
    """
    height, width = image.shape
    x_px = np.arange(width, dtype=np.float32)[None, :] + np.float32(share) * flow_px[..., 1]
    y_px = np.arange(height, dtype=np.float32)[:, None] + np.float32(share) * flow_px[..., 0]
    return np.asarray(cv2.remap(image, x_px, y_px, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _as_bytes(*images: FloatArray) -> list[npt.NDArray[np.uint8]]:
    """Bring images to one common 8-bit scale, whatever their unit.

    Percentiles, so that hot pixels of 16-bit data do not flatten the rest; the middle half of the bytes, so that values
    beyond them survive and Farnebäck's fixed regularisation damps noise (measured: 0.03 dB over the full range).
    """
    steps = [max(1, side // _FLOW_SAMPLES_PER_SIDE) for side in images[0].shape]
    sample = np.stack([image[:: steps[0], :: steps[1]] for image in images])
    low, high = np.percentile(sample, (0.1, 99.9))
    gain = 127 / (high - low) if high > low else 0.0
    return [np.clip((image - low) * gain + 64, 0, 255).astype(np.uint8) for image in images]


@contextmanager
def _flow_threads() -> Iterator[None]:
    """Limit OpenCV's threads for one call: more bring nothing on sections and compete with a training run.

    The number is the process's: of calls that overlap the first sets it, and the last sets it back.
    """
    with _flow_lock:
        if not _flows_under_way:
            _flows_under_way.append(cv2.getNumThreads())
            cv2.setNumThreads(min(get_threads(), _MAX_FLOW_THREADS))
        else:
            _flows_under_way.append(0)
    try:
        yield
    finally:
        with _flow_lock:
            before = _flows_under_way[0]
            _flows_under_way.pop()
            if not _flows_under_way:
                cv2.setNumThreads(before)
