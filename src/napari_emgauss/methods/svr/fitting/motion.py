"""Steps of the slices' motion: Gauss-Newton on six numbers each, held together by what motion is like.

A slice sees the field's derivatives along its own axes (`Cuts.derivatives`), and so how its image changes as it is
moved or turned about its pivot. All slices are solved for at once, because a prior connects those that were acquired
one after the other; where there is none, that is one small system for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.measured import Measured, MeasuredSlice
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.slices.motion import common_motion, moved_by

CORRELATED_PIXELS = 4.0
"""Neighbouring residuals are alike, so that so many pixels count as one."""
LEAST_DEG, LEAST_MM, MOST_DEG, MOST_MM = 0.3, 0.15, 2.0, 1.0
"""Bounds of the change of motion from a slice to the next that the prior expects."""
STRIDES = (1, 2, 3, 4)
"""Orders of acquisition that are tried: every slice, every second one and then the others, and so on."""
FARTHEST_DEG, FARTHEST_MM = 4.0, 3.0
"""A single step moves no slice farther."""


@dataclass(frozen=True)
class _Equations:
    """Normal equations of the slices' own changes, in units of what the noise allows."""

    curvature: AnyArray
    """(S, 6, 6)"""
    slope: AnyArray
    """(S, 6)"""


def moved_slices(
    measured: Measured,
    cuts: Cuts,
    amplitude: FloatArray,
    motion: AnyArray,
    weight: FloatArray,
    config: SvrConfig,
    *,
    smooth: bool,
    relaxation: float = 1.0,
) -> AnyArray:
    """Return the motion (S, 6) after a step towards where slices fit the field best.

    Parameters
    ----------
    cuts, amplitude
        The field, cut where the slices are by ``motion``.
    weight
        Of every pixel, 0 outside of the masks.
    smooth
        Whether slices that follow one another are expected to have moved alike.
    relaxation
        What the step is multiplied by.
    """
    equations = _equations(measured, cuts, amplitude, weight)
    turns = np.stack([_to_frame(own, row) for own, row in zip(measured.slices, motion, strict=True)])
    expected = np.repeat([np.deg2rad(config.motion_deg), config.motion_mm], 3) ** -2.0
    n = len(measured)
    matrix, slope = np.zeros((n, 6, n, 6)), np.zeros((n, 6))
    every = np.arange(n)
    own_prior = turns.transpose(0, 2, 1) * expected
    matrix[every, :, every] = equations.curvature + own_prior @ turns
    slope += equations.slope - np.einsum("nij,nj->ni", own_prior, motion)
    if smooth:
        alone = np.linalg.solve(matrix[every, :, every], slope[..., None])[..., 0]
        guess = motion + np.einsum("nij,nj->ni", turns, alone)
        for stack in np.unique(measured.stack_of):
            _connect(matrix, slope, turns, motion, guess, sequence(measured, int(stack), guess))
    change = np.linalg.solve(matrix.reshape(6 * n, 6 * n), slope.ravel()).reshape(n, 6)
    return np.stack(
        [
            _after(own, row, _limited(relaxation * own_change))
            for own, row, own_change in zip(measured.slices, motion, change, strict=True)
        ]
    )


def with_gauge(measured: Measured, motion: AnyArray, weights: AnyArray) -> AnyArray:
    """Return the motion without what the slices of the first stack have in common; it only moves the volume."""
    first = measured.stack_of == measured.stack_of[0]
    common = common_motion(motion[first], measured.pivots[first], weights=weights[first])
    return moved_by(np.linalg.inv(common), motion, measured.pivots)


def sequence(measured: Measured, stack: int, guess: AnyArray) -> AnyArray:
    """Return the slices of a stack in the order of acquisition in which a ``guess`` (S, 6) is smoothest."""
    members = np.flatnonzero(measured.stack_of == stack)
    index = np.array([measured.slices[int(s)].index for s in members])
    orders = [members[np.lexsort((index, index % stride))] for stride in STRIDES]
    units = np.repeat([np.deg2rad(1.0), 0.5], 3)

    def roughness(order: AnyArray) -> float:
        return float(np.median(np.abs(np.diff(guess[order] / units, axis=0)))) if len(order) > 1 else 0.0

    return min(orders, key=roughness)


def _equations(measured: Measured, cuts: Cuts, amplitude: FloatArray, weight: FloatArray) -> _Equations:
    n = len(measured)
    curvature, slope, variance = np.zeros((n, 6, 6)), np.zeros((n, 6)), np.zeros(n)

    def one(s: int) -> None:
        own = measured.slices[s]
        images = cuts.derivatives(amplitude, s)
        w = measured.layout.image(weight, s)[own.inside].astype(np.float64)
        drawn, target = images[0][own.inside].astype(np.float64), own.image[own.inside].astype(np.float64)
        power = max(float(w @ (drawn * drawn)), 1e-12)
        # The gain in closed form, within what scanners do.
        gain = float(np.clip(w @ (drawn * target) / power, 0.5, 2.0))
        rows = _per_motion(own, images[1:])[:, own.inside].astype(np.float64) * gain
        # What a change of the gain explains as well is no evidence of motion.
        rows -= np.outer(rows @ (w * drawn) / power, drawn)
        left = target - gain * drawn
        curvature[s], slope[s] = (rows * w) @ rows.T, rows @ (w * left)
        variance[s] = float(w @ (left * left)) / max(float(w.sum()), 1e-6)

    for_each(one, range(n))
    noise = CORRELATED_PIXELS * np.maximum(variance, max(float(np.median(variance)), 1e-12))
    return _Equations(curvature / noise[:, None, None], slope / noise[:, None])


def _axes(own: MeasuredSlice) -> tuple[AnyArray, AnyArray]:
    """Unit vectors along slice, row and column, one a row, and the spacings."""
    spacing = np.linalg.norm(own.affine[:3, :3], axis=0)
    return (own.affine[:3, :3] / spacing).T, spacing


def _per_motion(own: MeasuredSlice, per_index: FloatArray) -> AnyArray:
    """Change of the image (6, h, w) by radian and mm about the slice's own axes, from that by index."""
    axes, spacing = _axes(own)
    per_mm = per_index / spacing[:, None, None]
    rows, columns = np.meshgrid(*(np.arange(n) for n in own.image.shape), indexing="ij")
    corner = axes @ (own.affine[:3, 3] - own.pivot)
    arm = np.stack([np.full(rows.shape, corner[0]), corner[1] + rows * spacing[1], corner[2] + columns * spacing[2]])
    return np.concatenate([np.cross(arm, per_mm, axis=0), per_mm])


def _to_frame(own: MeasuredSlice, motion: AnyArray) -> AnyArray:
    """Matrix (6, 6) from a change along the slice's own axes to one of its motion, to first order."""
    axes = _axes(own)[0]
    matrix = np.zeros((6, 6))
    matrix[:3, :3] = axes.T * np.linalg.det(axes)
    matrix[3:, 3:] = Rotation.from_rotvec(motion[:3]).as_matrix() @ axes.T
    return matrix


def _after(own: MeasuredSlice, motion: AnyArray, change: AnyArray) -> AnyArray:
    """Motion after a change along the slice's own axes, exactly."""
    axes = _axes(own)[0]
    rotation = Rotation.from_rotvec(motion[:3]).as_matrix() @ axes.T
    turned = rotation @ Rotation.from_rotvec(change[:3]).as_matrix() @ axes
    return np.concatenate([Rotation.from_matrix(turned).as_rotvec(), motion[3:] + rotation @ change[3:]])


def _limited(change: AnyArray) -> AnyArray:
    angle, distance = float(np.linalg.norm(change[:3])), float(np.linalg.norm(change[3:]))
    share = min(1.0, np.deg2rad(FARTHEST_DEG) / max(angle, 1e-12), FARTHEST_MM / max(distance, 1e-12))
    return np.asarray(change * share)


def _connect(
    matrix: AnyArray, slope: AnyArray, turns: AnyArray, motion: AnyArray, guess: AnyArray, order: AnyArray
) -> None:
    """Add to the equations that motion changes little from slice to slice, but for a jump now and then."""
    if len(order) < 3:
        return
    typical = 1.4826 * np.median(np.abs(np.diff(guess[order], axis=0)), axis=0)
    angle, distance = (float(np.sqrt(np.mean(part**2))) for part in (typical[:3], typical[3:]))
    angle = float(np.clip(angle, np.deg2rad(LEAST_DEG), np.deg2rad(MOST_DEG)))
    scale = np.repeat([angle, float(np.clip(distance, LEAST_MM, MOST_MM))], 3)
    for before, after in pairwise(order):
        apart = motion[after] - motion[before]
        jump = float(np.mean(((guess[after] - guess[before]) / scale) ** 2))
        stiffness = scale**-2.0 / (1 + jump / 4)
        for u, sign_u in ((before, -1.0), (after, 1.0)):
            pull = turns[u].T * stiffness * sign_u
            slope[u] -= pull @ apart
            for v, sign_v in ((before, -1.0), (after, 1.0)):
                matrix[u, :, v] += sign_v * pull @ turns[v]
