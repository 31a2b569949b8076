"""Slices that fit badly, or lie far from their neighbours, are looked for where those are.

A slice of no weight has no say in the common step of all slices, and one that started far off may have come to rest at
a wrong place: neither comes back by itself, however sound it is. A small slice may even draw the field to where it
lies, and fit there: how it moved tells, and a field that it had no part in.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.fitting.evidence import fitted_field
from napari_emgauss.methods.svr.fitting.motion import FARTHEST_DEG, FARTHEST_MM, moved_slices, sequence
from napari_emgauss.methods.svr.fitting.outliers import misfits
from napari_emgauss.methods.svr.measured import Measured

LOST = 0.9
"""Slices of a smaller weight are looked for."""
STEPS = 6
FITS = 1.5
"""A place is believed where a slice is off by no more than so many times what slices are off by typically."""
DOUBTED = 5.0
"""Slices are doubted that lie so many times as far as is typical from half way between their neighbours."""


def found_again(
    measured: Measured, gaussians: SolidGaussians, motion: AnyArray, weights: AnyArray, config: SvrConfig
) -> AnyArray:
    """Return the motion (S, 6) with slices that were lost where they fit best: from where they are, or neighbours are.

    Parameters
    ----------
    gaussians
        The field.
    motion, weights
        Of the slices (S, 6) and (S,).
    """
    lost = np.flatnonzero(weights < LOST)
    field = gaussians.mean, gaussians.covariance(), gaussians.amplitude.detach().numpy()
    return _where_they_fit(measured, field, motion, weights, lost, config) if len(lost) else motion


def with_doubted_tried(
    measured: Measured,
    motion: AnyArray,
    weights: AnyArray,
    config: SvrConfig,
    *,
    spacing_mm: float,
    smoothness: float,
) -> AnyArray:
    """Return the motion (S, 6) with slices that lie far from their neighbours where they fit what the others show best.

    Parameters
    ----------
    motion, weights
        Of the slices (S, 6) and (S,).
    spacing_mm, smoothness
        Of the field that is fitted to the others.
    """
    doubted = far_from_neighbours(measured, motion, weights)
    if not len(doubted):
        return motion
    others = np.setdiff1d(np.arange(len(measured)), doubted)
    mean, covariance, fit = fitted_field(
        measured.subset(others), motion[others], weights[others], spacing_mm, smoothness
    )
    trusted = weights.copy()
    trusted[doubted] = 0
    return _where_they_fit(measured, (mean, covariance, fit.amplitude), motion, trusted, doubted, config)


def far_from_neighbours(measured: Measured, motion: AnyArray, weights: AnyArray) -> AnyArray:
    """Return which slices that fit (n,) moved unlike those that were acquired before and after them."""
    members, apart = [], []
    for stack in np.unique(measured.stack_of):
        order = sequence(measured, int(stack), motion)
        own = order[weights[order] >= LOST]
        if len(own) > 2:
            half_way = np.concatenate([motion[own[1:2]], (motion[own[:-2]] + motion[own[2:]]) / 2, motion[own[-2:-1]]])
            members.append(own)
            apart.append(np.linalg.norm((motion[own] - half_way).reshape(-1, 2, 3), axis=2))
    if not members:
        return np.zeros(0, np.int64)
    far = np.concatenate(apart)
    least = np.maximum(DOUBTED * np.median(far, axis=0), [np.deg2rad(FARTHEST_DEG), FARTHEST_MM])
    return np.asarray(np.concatenate(members)[(far > least).any(1)])


def _where_they_fit(
    measured: Measured,
    field: tuple[Tensor, Tensor, FloatArray],
    motion: AnyArray,
    weights: AnyArray,
    lost: AnyArray,
    config: SvrConfig,
) -> AnyArray:
    """Motion with ``lost`` slices where they fit a field (centres, covariances, amplitudes), if that is believed."""
    mean, covariance, amplitude = field
    starts, steps = _starts(measured, motion, weights, lost)
    rest, place = measured.subset(np.repeat(lost, starts.shape[1])), starts.reshape(-1, 6)
    ends, left = place, np.full(place.shape[:1], np.inf)
    for step in range(STEPS + 1):
        cuts = Cuts(mean, covariance, rest.planes(place))
        now = misfits(rest, cuts.draw(amplitude))
        ends, left = np.where((now < left)[:, None], place, ends), np.minimum(now, left)
        if step < STEPS:
            place = moved_slices(rest, cuts, amplitude, place, rest.inside, config, smooth=False)
    left = left.reshape(starts.shape[:2])
    chosen = (np.arange(len(lost)), np.argmin(left, axis=1))
    end = ends.reshape(starts.shape)[chosen]
    # What is damaged may fit somewhere, too, but hardly near its neighbours.
    reach = steps[..., None] * np.repeat([np.deg2rad(FARTHEST_DEG), FARTHEST_MM], 3)
    near = (np.abs(end[:, None] - starts) <= reach).all(2).any(1)
    every = misfits(measured, Cuts(mean, covariance, measured.planes(motion)).draw(amplitude))
    believed = near & (left[chosen] < FITS * np.median(every[weights >= LOST]))
    found = motion.copy()
    found[lost[believed]] = end[believed]
    return found


def _starts(measured: Measured, motion: AnyArray, weights: AnyArray, lost: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Motion (n, 3, 6) of slices, and of the nearest ones that fit and were acquired before and after them.

    Also (n, 3) by how many acquisitions these are apart, 1 for the slices themselves.
    """
    found, steps = np.repeat(motion[lost][:, None], 3, axis=1), np.ones((len(lost), 3))
    for stack in np.unique(measured.stack_of[lost]):
        order = sequence(measured, int(stack), motion)
        fits = np.flatnonzero(weights[order] >= LOST)
        for row in np.flatnonzero(measured.stack_of[lost] == stack):
            at = int(np.flatnonzero(order == lost[row])[0])
            for side, near in ((1, fits[fits < at][-1:]), (2, fits[fits > at][:1])):
                if len(near):
                    found[row, side] = motion[order[near[0]]]
                    steps[row, side] = abs(at - near[0])
    return found, steps
