"""Many slices of one set of Gaussians at once: a linear map from amplitudes to pixels, and its transpose.

For fixed centres, covariances and poses a slice is linear in the amplitudes. `Cuts` finds once which Gaussians reach
which slice and what they are on its plane; each product then draws, or sums, over all slices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward import cut_kernels
from napari_emgauss.forward.slices import SlicePlane
from napari_emgauss.render import kernels, rules
from napari_emgauss.render.ellipses import CHUNK
from napari_emgauss.runtime.threads import for_each

_SLACK = 1.001
"""For the rounding of float32."""
_UPRIGHT = 1e-6
"""An ellipse's tilt (its conic yx by the root of yy · xx) that counts as none."""


class PixelLayout:
    """Pixels of many slices in one row: each slice with the margin on its right that the kernels want, always 0."""

    def __init__(self, shapes: Sequence[tuple[int, int]]) -> None:
        self.shapes = list(shapes)
        self._starts = np.cumsum([0, *(height * (width + CHUNK) for height, width in shapes)])

    @property
    def size(self) -> int:
        """Length of a row of all pixels."""
        return int(self._starts[-1])

    def padded(self, pixels: FloatArray, s: int) -> FloatArray:
        """Return slice ``s`` of a row of pixels with its margin: a view (h, w + margin)."""
        return pixels[self._starts[s] : self._starts[s + 1]].reshape(self.shapes[s][0], -1)

    def image(self, pixels: FloatArray, s: int) -> FloatArray:
        """Return slice ``s`` of a row of pixels: a view (h, w)."""
        return self.padded(pixels, s)[:, : self.shapes[s][1]]

    def spread(self, values: AnyArray) -> FloatArray:
        """Return a number per slice as a row of pixels, margins included."""
        return np.repeat(np.asarray(values, np.float32), np.diff(self._starts))

    def row(self, images: Sequence[AnyArray]) -> FloatArray:
        """Return images as one row of pixels."""
        pixels = np.zeros(self.size, np.float32)
        for s, image in enumerate(images):
            self.image(pixels, s)[:] = image
        return pixels


@dataclass(frozen=True, eq=False)
class _Cut:
    """What the Gaussians that reach a slice are on its plane."""

    members: npt.NDArray[np.int32]
    means_px: FloatArray
    conics: FloatArray
    peaks: FloatArray
    slopes: FloatArray
    upright: bool
    """Whether all are ellipses along the rows and columns, as round Gaussians are cut."""


class Cuts:
    """Slices through Gaussians with fixed centres and covariances.

    Parameters
    ----------
    mean, covariance
        (N, 3) and (N, 3, 3).
    planes
        The slices.
    """

    def __init__(self, mean: Tensor, covariance: Tensor, planes: Sequence[SlicePlane]) -> None:
        self.n = len(mean)
        self.layout = PixelLayout([plane.shape for plane in planes])
        means = np.ascontiguousarray(mean.detach().numpy(), np.float32)
        six = covariance.detach().numpy()[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
        covariances = np.ascontiguousarray(six, np.float32)
        largest = float(six[:, [0, 3, 5]].sum(1).max(initial=0))
        found: list[_Cut | None] = [None] * len(planes)

        def one(s: int) -> None:
            found[s] = _cut(means, covariances, planes[s], largest)

        for_each(one, range(len(planes)))
        self._cuts = [own for own in found if own is not None]

    @property
    def n_cuts(self) -> int:
        """Number of pairs of a Gaussian and a slice that it reaches."""
        return sum(len(own.members) for own in self._cuts)

    def reached(self) -> AnyArray:
        """Return which Gaussians (N,) reach any slice."""
        reached = np.zeros(self.n, bool)
        for own in self._cuts:
            reached[own.members] = True
        return reached

    def draw(self, amplitude: FloatArray) -> FloatArray:
        """Return all pixels, in one row as the layout has them, for amplitudes (N,)."""
        pixels = np.zeros(self.layout.size, np.float32)

        def one(s: int) -> None:
            own, (height, width) = self._cuts[s], self.layout.shapes[s]
            weights = own.peaks * amplitude[own.members]
            image = self.layout.padded(pixels, s)
            if own.upright:
                cut_kernels.draw_upright(own.means_px, own.conics, weights, width, image)
            else:
                kernels.sum_forward(own.means_px, own.conics, weights, width, 0, height, image)

        for_each(one, range(len(self._cuts)))
        return pixels

    def project(self, pixels: FloatArray) -> FloatArray:
        """Return Σ pixel · ∂pixel/∂amplitude (N,): the transpose of `draw`."""
        sums: list[FloatArray] = [np.empty(len(own.members), np.float32) for own in self._cuts]

        def one(s: int) -> None:
            own, (_, width) = self._cuts[s], self.layout.shapes[s]
            image = self.layout.padded(pixels, s)
            add_up = cut_kernels.sum_upright if own.upright else cut_kernels.sum_products
            add_up(own.means_px, own.conics, own.peaks, image, width, sums[s])

        for_each(one, range(len(self._cuts)))
        # In the order of the slices: the result does not depend on the number of threads.
        total = np.zeros(self.n)
        for own, values in zip(self._cuts, sums, strict=True):
            cut_kernels.add_to(total, own.members, values)
        return total.astype(np.float32)

    def derivatives(self, amplitude: FloatArray, s: int) -> FloatArray:
        """Return slice ``s`` and its derivatives (4, h, w): as drawn, and per depth, row and column that it moves by.

        The point spread moves along with the slice; it is not turned.
        """
        own, (height, width) = self._cuts[s], self.layout.shapes[s]
        images = np.zeros((4, height, width + CHUNK), np.float32)
        weights = own.peaks * amplitude[own.members]
        cut_kernels.draw_derivatives(own.means_px, own.conics, weights, own.slopes, width, images)
        return images[:, :, :width]


def _cut(means: FloatArray, covariances: FloatArray, plane: SlicePlane, largest: float) -> _Cut:
    """What a slice shows of Gaussians whose variance is in no direction above ``largest``."""
    parts = [_at(depth, means, covariances, plane, largest) for depth in plane.depths]
    n = len(parts)
    members, means_px, conics, peaks, slopes = parts[0] if n == 1 else map(np.concatenate, zip(*parts, strict=True))
    yy, yx, xx = conics.T
    upright = bool(np.all(yx * yx <= _UPRIGHT**2 * yy * xx) and np.isfinite(conics).all())
    return _Cut(members, means_px, conics, np.asarray(peaks / n, np.float32), slopes, upright)


def _at(
    depth: float, means: FloatArray, covariances: FloatArray, plane: SlicePlane, largest: float
) -> tuple[AnyArray, ...]:
    """Members, centres, conics, peaks and slopes on one of a slice's planes."""
    matrix, offset, blur = (
        np.ascontiguousarray(part.numpy(), np.float64) for part in (plane.matrix, plane.offset, plane.blur)
    )
    offset = offset - depth * np.array([1.0, 0.0, 0.0])
    # Most are far from the plane; numpy says so sooner than the kernel, which then decides exactly.
    apart = np.abs(means @ matrix[0].astype(np.float32) + np.float32(offset[0]))
    reach = rules.REACH_SIGMA * math.sqrt(largest * float(matrix[0] @ matrix[0]) + float(blur[0]))
    members = np.flatnonzero(apart <= _SLACK * reach).astype(np.int32)
    n = cut_kernels.keep_reaching(means, covariances, matrix, offset, blur, *plane.shape, members)
    members = members[:n].copy()
    means_px, slopes = np.empty((n, 2), np.float32), np.empty((n, 3), np.float32)
    conics, peaks = np.empty((n, 3), np.float32), np.empty(n, np.float32)
    cut_kernels.cut(means, covariances, matrix, offset, blur, members, means_px, conics, peaks, slopes)
    return members, means_px, conics, peaks, slopes
