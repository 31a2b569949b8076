"""Slices that fit badly are looked for where their neighbours are.

A slice of no weight has no say in the common step of all slices, and one that started far off may have come to rest at
a wrong place: neither comes back by itself, however sound it is.
"""

from __future__ import annotations

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.fitting.motion import FARTHEST_DEG, FARTHEST_MM, moved_slices, sequence
from napari_emgauss.methods.svr.fitting.outliers import misfits
from napari_emgauss.methods.svr.measured import Measured

LOST = 0.9
"""Slices of a smaller weight are looked for."""
STEPS = 6
FITS = 1.5
"""A place is believed where a slice is off by no more than so many times what slices are off by typically."""


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
    if not len(lost):
        return motion
    mean, covariance, amplitude = gaussians.mean, gaussians.covariance(), gaussians.amplitude.detach().numpy()
    starts = _starts(measured, motion, weights, lost)
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
    near = (np.abs(end - starts[chosen]) <= np.repeat([np.deg2rad(FARTHEST_DEG), FARTHEST_MM], 3)).all(1)
    every = misfits(measured, Cuts(mean, covariance, measured.planes(motion)).draw(amplitude))
    believed = near & (left[chosen] < FITS * np.median(every[weights >= LOST]))
    found = motion.copy()
    found[lost[believed]] = end[believed]
    return found


def _starts(measured: Measured, motion: AnyArray, weights: AnyArray, lost: AnyArray) -> AnyArray:
    """Motion (n, 3, 6) of slices, and of the nearest ones that fit and were acquired before and after them."""
    found = np.repeat(motion[lost][:, None], 3, axis=1)
    for stack in np.unique(measured.stack_of[lost]):
        order = sequence(measured, int(stack), motion)
        fits = np.flatnonzero(weights[order] >= LOST)
        for row in np.flatnonzero(measured.stack_of[lost] == stack):
            at = int(np.flatnonzero(order == lost[row])[0])
            for side, near in ((1, fits[fits < at][-1:]), (2, fits[fits > at][:1])):
                if len(near):
                    found[row, side] = motion[order[near[0]]]
    return found
