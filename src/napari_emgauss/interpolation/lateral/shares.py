"""Shares of a mixture's candidates, from the products of their errors at hidden sections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from napari_emgauss.interpolation.lateral.fusion import CANDIDATES, LATERAL


def error_products(
    candidates: Sequence[npt.NDArray[np.floating]], truth: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Return the mean products G (k, k) of the candidates' errors: shares w have the squared error w·G·w."""
    errors = np.stack([(candidate - truth).ravel() for candidate in candidates]).astype(np.float64)
    return np.asarray(errors @ errors.T / errors.shape[1], np.float64)


def best_shares(gram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Find the w ≥ 0 that sum to 1 and have the least w·G·w, for ``gram`` G (k, k) as of `error_products`.

    Non-negative least squares u·G·u + (Σu - 1)² gives them: over the length of u its least is q / (1 + q) with
    q = w·G·w of w = u / Σu, which grows with q.
    """
    trace = np.trace(gram)
    if trace == 0:
        return np.full(len(gram), 1 / len(gram))
    values, vectors = np.linalg.eigh(gram / trace)
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    found, _ = nnls(np.vstack([root, np.ones(len(gram))]), np.append(np.zeros(len(gram)), 1.0))
    return np.asarray(found / found.sum(), np.float64)


def evened(shares: npt.NDArray[np.float64], gram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Move the division of shares between the lateral candidates halfway from the best to an even one.

    Flow across the doubled gap is poorer than across the gap itself, so the hidden sections undervalue alignment. The
    best division is the unlimited one: where it is far outside 0..1, the better candidate still keeps everything.
    """
    straight, aligned = (CANDIDATES.index(name) for name in LATERAL)
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
