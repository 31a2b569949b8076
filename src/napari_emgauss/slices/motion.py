"""Rigid motion of slices.

The motion of n slices is an array (n, 6): a rotation vector in radians (its direction is the axis, its length the
angle), then a translation in millimetres, both along the world's axes. A point x of slice s as its header places it was
in truth at

    x' = R_s (x − c_s) + c_s + t_s

where the *pivot* c_s is the centroid of the slice's mask, so that rotation and translation hardly depend on each other.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from napari_emgauss._types import AnyArray


def rotations(motion: AnyArray) -> AnyArray:
    """Return the rotation matrices (n, 3, 3) of a motion (n, 6)."""
    return np.asarray(Rotation.from_rotvec(np.asarray(motion, np.float64)[:, :3]).as_matrix())


def components(motion: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return rotation vectors in degrees (n, 3), and translations in mm (n, 3), as they are shown."""
    return np.rad2deg(motion[:, :3]), np.asarray(motion[:, 3:])


def affines(motion: AnyArray, pivots: AnyArray) -> AnyArray:
    """Return matrices (n, 4, 4) that map x to x'."""
    motion, pivots = np.asarray(motion, np.float64), np.asarray(pivots, np.float64)
    matrices = np.tile(np.eye(4), (len(motion), 1, 1))
    matrices[:, :3, :3] = rotations(motion)
    matrices[:, :3, 3] = pivots + motion[:, 3:] - np.einsum("nij,nj->ni", matrices[:, :3, :3], pivots)
    return matrices


def from_affines(matrices: AnyArray, pivots: AnyArray) -> AnyArray:
    """Return the motion (n, 6) about ``pivots`` of rigid matrices (n, 4, 4)."""
    turned = np.einsum("nij,nj->ni", matrices[:, :3, :3], pivots) + matrices[:, :3, 3]
    vectors = Rotation.from_matrix(matrices[:, :3, :3]).as_rotvec()
    return np.concatenate([vectors, turned - pivots], axis=1)


def apply(motion: AnyArray, pivots: AnyArray, points: AnyArray) -> AnyArray:
    """Return x' of points (n, …, 3): those of slice s move with it."""
    matrices = affines(motion, pivots)
    shifts = matrices[:, :3, 3].reshape(len(matrices), *(1,) * (np.ndim(points) - 2), 3)
    return np.asarray(np.einsum("nij,n...j->n...i", matrices[:, :3, :3], points) + shifts)


def compose(second: AnyArray, first: AnyArray, pivots: AnyArray) -> AnyArray:
    """Return the motion that is ``first``, then ``second``, all about the same pivots."""
    return from_affines(affines(second, pivots) @ affines(first, pivots), pivots)


def invert(motion: AnyArray, pivots: AnyArray) -> AnyArray:
    """Return the motion that maps x' back to x."""
    return from_affines(np.linalg.inv(affines(motion, pivots)), pivots)


def repivoted(motion: AnyArray, pivots: AnyArray, others: AnyArray) -> AnyArray:
    """Return the same motion, written about other pivots."""
    return from_affines(affines(motion, pivots), others)


def moved_by(matrix: AnyArray, motion: AnyArray, pivots: AnyArray) -> AnyArray:
    """Return the motion followed by one rigid matrix (4, 4) for all."""
    return from_affines(matrix @ affines(motion, pivots), pivots)


def common_motion(
    motion: AnyArray, pivots: AnyArray, *, reference: AnyArray | None = None, weights: AnyArray | None = None
) -> AnyArray:
    """Return the rigid matrix (4, 4) that all slices have in common: G, so that motion ≈ G after ``reference``.

    Parameters
    ----------
    motion, pivots
        (n, 6) and (n, 3).
    reference
        Motion (n, 6) that it is compared with; none by default.
    weights
        How much each slice counts (n,); all alike by default.
    """
    weights = np.ones(len(motion)) if weights is None else np.asarray(weights, np.float64)
    if not weights.sum() > 0:
        return np.eye(4)
    start = np.tile(np.eye(4), (len(motion), 1, 1)) if reference is None else affines(reference, pivots)
    end = affines(motion, pivots)
    matrix = np.eye(4)
    turns = end[:, :3, :3] @ start[:, :3, :3].transpose(0, 2, 1)
    matrix[:3, :3] = Rotation.from_matrix(turns).mean(weights).as_matrix()
    before, after = (np.einsum("nij,nj->ni", m[:, :3, :3], pivots) + m[:, :3, 3] for m in (start, end))
    matrix[:3, 3] = np.average(after - before @ matrix[:3, :3].T, axis=0, weights=weights)
    return matrix


def centred(motion: AnyArray, pivots: AnyArray, *, weights: AnyArray | None = None) -> AnyArray:
    """Return the motion without what all slices have in common: it only moves the volume, so data cannot fix it."""
    return moved_by(np.linalg.inv(common_motion(motion, pivots, weights=weights)), motion, pivots)


def motion_error(
    estimated: AnyArray, true: AnyArray, pivots: AnyArray, *, weights: AnyArray | None = None
) -> tuple[float, float]:
    """Return what is wrong with an estimate, once the best common motion is removed: rms degrees and rms mm.

    The angle is that of the rotation between the two, the distance that between where both put the pivot.
    """
    gauge = common_motion(estimated, pivots, reference=true, weights=weights)
    aligned, truth = np.linalg.inv(gauge) @ affines(estimated, pivots), affines(true, pivots)
    turns = aligned[:, :3, :3] @ truth[:, :3, :3].transpose(0, 2, 1)
    angles = np.rad2deg(Rotation.from_matrix(turns).magnitude())
    places = [np.einsum("nij,nj->ni", m[:, :3, :3], pivots) + m[:, :3, 3] for m in (aligned, truth)]
    squares = ((places[0] - places[1]) ** 2).sum(1)
    return float(np.sqrt(np.average(angles**2, weights=weights))), float(np.sqrt(np.average(squares, weights=weights)))
