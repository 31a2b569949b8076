"""Shares of a mixture's candidates, from the products of their errors at hidden sections."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_emgauss.interpolation.mixture.fusion import LATERAL

_SOLVER_STEPS, _ROUNDS, _TINY = 20_000, 20, 1e-12


def error_products(
    candidates: Sequence[npt.NDArray[np.floating]], truth: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Return the mean products G (k, k) of the candidates' errors: shares w have the squared error w·G·w."""
    errors = np.stack([(candidate - truth).ravel() for candidate in candidates]).astype(np.float64)
    return np.asarray(errors @ errors.T / errors.shape[1], np.float64)


def best_shares(gram: npt.NDArray[np.float64], start: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """The w ≥ 0 that sum to 1 and have the least w·G·w, by projected gradient descent: small and convex."""
    size = len(gram)
    shares = np.full(size, 1 / size) if start is None else start
    trace = np.trace(gram)
    if trace == 0:
        return shares
    for _ in range(_SOLVER_STEPS):
        moved = _onto_simplex(shares - gram @ shares / trace)
        if np.abs(moved - shares).max() < 1e-9:
            return moved
        shares = moved
    return shares


Alternatives = Sequence[tuple[float, npt.NDArray[np.float64]]]
"""Products of errors that may be right, each behind its probability."""


def likely_mse(shares: npt.NDArray[np.float64], alternatives: Alternatives) -> float:
    """Return the squared error to expect of a mixture: the geometric mean, as decibels are averaged.

    So errors count relatively: where all is predicted well, a small one is as bad as a large one elsewhere.
    """
    return math.exp(sum(p * math.log(max(float(shares @ gram @ shares), _TINY)) for p, gram in alternatives))


def likely_shares(alternatives: Alternatives) -> npt.NDArray[np.float64]:
    """Return the shares with the least `likely_mse`, found by dividing each alternative by its error, repeatedly."""
    size = len(alternatives[0][1])
    shares = best = np.full(size, 1 / size)
    for _ in range(_ROUNDS):
        weighted = [p / max(float(shares @ gram @ shares), _TINY) * gram for p, gram in alternatives]
        best = best_shares(np.sum(weighted, 0), start=best)
        shares = (shares + best) / 2
    return shares


def _onto_simplex(point: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Nearest point with entries ≥ 0 that sum to 1 (Held, Wolfe & Crowder 1974)."""
    falling = np.sort(point)[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, len(point) + 1)
    level = excess[np.nonzero(falling > excess)[0][-1]]
    return np.asarray(np.maximum(point - level, 0), np.float64)


def evened(
    shares: npt.NDArray[np.float64], gram: npt.NDArray[np.float64], names: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Move the division of shares between the lateral candidates halfway from the best to an even one.

    Flow across the doubled gap is poorer than across the gap itself, so the hidden sections undervalue alignment. The
    best division is the unlimited one: where it is far outside 0..1, the better candidate still keeps everything.
    """
    straight, aligned = (names.index(name) for name in LATERAL)
    whole = shares[straight] + shares[aligned]
    difference = np.zeros(len(shares))
    difference[[straight, aligned]] = 1, -1
    curvature = whole * (difference @ gram @ difference)
    if curvature <= 0:
        return shares
    out = shares.copy()
    out[[straight, aligned]] = 0, whole
    best = -(difference @ gram @ out) / curvature
    share = whole * float(np.clip((best + 0.5) / 2, 0, 1))
    out[[straight, aligned]] = share, whole - share
    return out
