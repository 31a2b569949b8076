"""Levenberg–Marquardt on rigid poses with a closed-form gain: the parts that slices, stacks and volumes share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from napari_emgauss._types import AnyArray
from napari_emgauss.registration.kernels import N_COLUMNS, gram
from napari_emgauss.registration.pixels import SlicePixels
from napari_emgauss.slices import WorldVolume

_LEAST_DAMPING, _MOST_DAMPING = 1e-4, 1e4


@dataclass(frozen=True)
class Fit:
    """How well a pose fits, from a Gram matrix."""

    products: AnyArray
    """(8, 8), symmetric."""

    @property
    def gain(self) -> float:
        """Measured intensity by predicted one; 0 where nothing is predicted."""
        return float(self.products[6, 7] / self.products[6, 6]) if self.products[6, 6] > 0 else 0.0

    @property
    def cost(self) -> float:
        """Sum of the squared residuals by that of the squared measurements."""
        if not self.products[7, 7] > 0:
            return 1.0
        return float(1 - self.gain * self.products[6, 7] / self.products[7, 7])

    def step(self, damping: float, arm_mm: float) -> AnyArray:
        """Return the change of the pose (6,) that the linear model wants, for a gain that adapts.

        ``damping`` is relative; ``arm_mm`` makes rotations comparable with translations.
        """
        gain = self.gain
        normal = self.products[:7, :7].copy()
        normal[:6] *= gain
        normal[:, :6] *= gain
        wanted = np.zeros(7)
        wanted[:6] = gain * (self.products[:6, 7] - gain * self.products[:6, 6])
        floor = np.trace(normal[3:6, 3:6]) / 3
        normal[range(6), range(6)] += damping * floor * np.array([arm_mm**2] * 3 + [1.0] * 3)
        normal[range(7), range(7)] += 1e-9 * np.diag(normal) + 1e-30
        return np.asarray(np.linalg.solve(normal, wanted)[:6])


def products(
    volume: WorldVolume, pixels: SlicePixels, slices: AnyArray, matrices: AnyArray, pivots: AnyArray
) -> AnyArray:
    """Return the Gram matrix (8, 8) of slices at poses: matrices (n, 4, 4) that act on the header's places.

    ``pivots`` (n, 3) are what each pose turns about, before it has moved.
    """
    to_index = np.linalg.inv(volume.affine)
    out = np.zeros((N_COLUMNS, N_COLUMNS))
    offsets, weights = pixels.nodes
    for s, matrix, pivot in zip(slices, matrices, pivots, strict=True):
        whole = matrix @ pixels.stack.affine
        columns = np.stack([whole[:3, 1], whole[:3, 2], whole[:3, 3] + s * whole[:3, 0]], -1)
        place = to_index[:3, :3] @ columns
        place[:, 2] += to_index[:3, 3]
        arm = columns.copy()
        arm[:, 2] -= matrix[:3, :3] @ pivot + matrix[:3, 3]
        arms = offsets @ matrix[:3, :3].T
        part = pixels.of_slice(s)
        gram(
            volume.values, place, arms @ to_index[:3, :3].T, weights, pixels.rows[part], pixels.columns[part],
            pixels.values[part], arm, arms, np.ascontiguousarray(to_index[:3, :3]), out,
        )  # fmt: skip
    return np.triu(out) + np.triu(out, 1).T


def moved(matrix: AnyArray, pivot: AnyArray, change: AnyArray) -> AnyArray:
    """Return a pose after a small change about where it has put the pivot."""
    turn = Rotation.from_rotvec(change[:3]).as_matrix()
    at = matrix[:3, :3] @ pivot + matrix[:3, 3]
    after = np.eye(4)
    after[:3, :3], after[:3, 3] = turn, at + change[3:] - turn @ at
    return np.asarray(after @ matrix)


def descend(
    volume: WorldVolume, pixels: SlicePixels, slices: AnyArray, matrix: AnyArray, pivot: AnyArray, *,
    iterations: int, arm_mm: float, damping: float = 0.02,
) -> tuple[AnyArray, Fit]:  # fmt: skip
    """Return the pose that fits best near ``matrix``, one for all ``slices``, and how it fits.

    A step that does not lower the cost is not taken; it ends when steps no longer matter.
    """
    n = len(slices)

    def fit(candidate: AnyArray) -> Fit:
        return Fit(products(volume, pixels, slices, np.tile(candidate, (n, 1, 1)), np.tile(pivot, (n, 1))))

    best = fit(matrix)
    for _ in range(iterations):
        if best.gain <= 0:
            break
        change = best.step(damping, arm_mm)
        candidate = moved(matrix, pivot, change)
        tried = fit(candidate)
        if tried.gain > 0 and tried.cost < best.cost:
            gained = best.cost - tried.cost
            matrix, best, damping = candidate, tried, max(damping / 4, _LEAST_DAMPING)
            if gained < 1e-5 * best.cost:
                break
        else:
            damping *= 8
            if damping > _MOST_DAMPING:
                break
        if np.abs(change[3:]).max() + arm_mm * np.abs(change[:3]).max() < 1e-3:
            break
    return matrix, best
