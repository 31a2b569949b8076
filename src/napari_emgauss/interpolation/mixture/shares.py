"""Shares of a mixture's candidates, from the products of their errors at hidden sections."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from napari_emgauss.interpolation.mixture.fusion import LATERAL

_ROUNDS, _TINY = 20, 1e-12
_EVEN = 1e-9
"""What an uneven division of shares costs, against the mean squared error: only decides where nothing else does."""


def error_products(
    candidates: Sequence[npt.NDArray[np.floating]], truth: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Return the mean products G (k, k) of the candidates' errors: shares w have the squared error w·G·w."""
    errors = np.stack([(candidate - truth).ravel() for candidate in candidates]).astype(np.float64)
    return np.asarray(errors @ errors.T / errors.shape[1], np.float64)


def best_shares(gram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The w ≥ 0 that sum to 1 and have the least w·G·w; of several, the most even.

    They are proportional to the t ≥ 0 with the least t·G·t + (1 - Σt)²: of t = a w, the best a has a²w·G·w + (1 - a)² =
    w·G·w / (1 + w·G·w), which grows with w·G·w.
    """
    size = len(gram)
    trace = np.trace(gram)
    if trace == 0:
        return np.full(size, 1 / size)
    values, vectors = np.linalg.eigh(gram / trace + _EVEN * np.eye(size))
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    shares, _ = nnls(np.vstack([root, np.ones(size)]), np.append(np.zeros(size), 1))
    return np.asarray(shares / shares.sum(), np.float64)


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
    shares = np.full(size, 1 / size)
    for _ in range(_ROUNDS):
        weighted = [p / max(float(shares @ gram @ shares), _TINY) * gram for p, gram in alternatives]
        shares = (shares + best_shares(np.sum(weighted, 0))) / 2
    return shares


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
