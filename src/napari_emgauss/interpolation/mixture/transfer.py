"""From hidden sections, at twice the distance, to what is to be expected at the distance itself.

Near, others may be right than far away: cubic interpolation where sections are alike; a network on a texture of which
nothing can be known far away. What candidates predict at the distance itself is known, but not the truth there. So each
is split in two. Its *linear part* is a weighted sum of the sections around, blurred or not: what that has in common
with the truth follows from the texture. Its *own part* is the rest; how much of that is true, hidden sections tell.
Where the texture is a Gaussian field, the linear part alone matters (Bussgang's theorem).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.linalg import block_diag

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.mixture.fusion import Stack
from napari_emgauss.interpolation.mixture.texture import Array, Guess, Texture, blur_factors
from napari_emgauss.interpolation.plain import blurred

BLURS_PX = (0.0, 0.7, 1.4, 2.8, 5.6)
"""Every part of the basis is blurred by each. The first part without a blur is left out: what all are compared with is
*linear* interpolation of the nearest two sections, which it is in the middle of a gap; elsewhere it follows from the
second."""
_MIDDLE_PARTS = 2
_RIDGE, _TINY = 1e-5, 1e-12


class GapPlace(NamedTuple):
    """A place in a gap, or that of a section which is hidden from its neighbours."""

    phase: float
    """How much of the gap lies below it."""
    offsets: tuple[float, ...]
    """Section coordinates of the two sections next to it and of the two behind them, less its own; at an end of the
    stack the last one again."""


class Around(NamedTuple):
    """What is known of a `GapPlace`: the four sections around it (4, Y, X)."""

    place: GapPlace
    sections: FloatArray

    @classmethod
    def of(cls, stack: Stack, gap: int, phase: float = 0.5) -> Around:
        """Return what lies around a place in a gap, by default its middle."""
        last = len(stack.sections) - 1
        four = [gap, gap + 1, max(0, gap - 1), min(last, gap + 2)]
        z = (np.arange(last + 1) if stack.z is None else np.asarray(stack.z))[four]
        offsets = (z - z[0] - phase * (z[1] - z[0])).round(9)
        return cls(GapPlace(phase, tuple(offsets.tolist())), stack.sections[four])

    def against_linear(self, images: Sequence[FloatArray]) -> Array:
        """Return the mean products (k + basis, k + basis) of ``images`` (k, Y, X) and of the basis, less *linear*."""
        linear = np.tensordot(_linear(self.place).astype(np.float32), self.sections, 1)
        parts = np.tensordot(_parts(self.place).astype(np.float32), self.sections, 1)
        basis = [blurred(part, blur_px) if blur_px else part for part, blur_px in product(parts, BLURS_PX)][1:]
        differences = (np.stack([*images, *basis]) - linear).reshape(len(images) + len(basis), -1).astype(np.float64)
        return np.asarray(differences @ differences.T / differences.shape[1], np.float64)


def expected_products(
    near: Sequence[tuple[Array, Sequence[GapPlace]]], far: Array, texture: Texture
) -> list[tuple[float, Array]]:
    """Return the mean products (k, k) of the candidates' errors to expect at the distance itself, with probabilities.

    Parameters
    ----------
    near
        `Around.against_linear` of the k candidates, the mean of gaps, and the places in them; of each phase.
    far
        The same of the candidates and, behind them, the truth, the mean of hidden sections, each the middle of a gap.
    texture
        Of the stack.
    """
    k = len(far) - _MIDDLE_PARTS * len(BLURS_PX)
    hidden_parts, hidden_own = _split(np.delete(np.delete(far, k, 0), k, 1), k)
    with_truth = np.delete(far[k], k)
    own_with_truth = with_truth[:k] - with_truth[k:] @ hidden_parts
    true_share = np.clip(own_with_truth / np.maximum(np.diag(hidden_own), _TINY), 0, 1)
    expected = []
    for (products, places), guess in product(near, texture.guesses):
        parts, own = _split(products, k)
        basis, basis_with_truth, square = _of_texture(guess, places, texture.factor)
        follows = basis_with_truth @ parts + true_share * np.diag(own)
        errors = parts.T @ basis @ parts + own - follows[:, None] - follows[None, :] + square
        expected.append((guess.probability / len(near), _positive(errors, square)))
    return expected


def _linear(place: GapPlace) -> Array:
    """Return the weights (4,) of the sections around a place in linear interpolation."""
    return np.array([1 - place.phase, place.phase, 0, 0])


def _parts(place: GapPlace) -> Array:
    """Return the weights (parts, 4) of the sections around a place in each part of the basis.

    In the middle of a gap both sides count alike: parts are the means of the nearest two sections and of the two behind
    them. Elsewhere each section is a part.
    """
    weights = np.kron(np.eye(_MIDDLE_PARTS), [0.5, 0.5]) if place.phase == 0.5 else np.eye(4)
    return np.asarray(weights, np.float64)


def _split(products: Array, k: int) -> tuple[Array, Array]:
    """Return the weights (basis, k) of the linear parts of k candidates, and the products (k, k) of their own parts."""
    basis, mixed = products[k:, k:], products[k:, :k]
    ridge = _RIDGE * np.trace(basis) / len(basis) + _TINY
    parts = np.linalg.solve(basis + ridge * np.eye(len(basis)), mixed)
    own = products[:k, :k] - parts.T @ mixed - mixed.T @ parts + parts.T @ basis @ parts
    return parts, own


def _of_texture(guess: Guess, places: Sequence[GapPlace], factor: float) -> tuple[Array, Array, float]:
    """Return the products of the basis, those with the truth, and the square of the truth, all less *linear*."""
    left, n = _left_of_products(), 4 * len(BLURS_PX)
    found: list[Array] = []
    for place, count in Counter(places).items():
        z = factor * np.array([*place.offsets, 0.0])
        between = guess.covariances(z[:, None] - z[None, :])
        products = np.empty((n + 1, n + 1))
        products[:n, :n] = np.einsum("ijs,abs->iajb", between[:4, :4], left).reshape(n, n)
        products[n, :n] = products[:n, n] = np.einsum("is,as->ia", between[:4, 4], left[0]).ravel()
        products[n, n] = between[4, 4].sum()
        less = block_diag(np.kron(_parts(place), np.eye(len(BLURS_PX))), 1)[1:]
        less[:, : n : len(BLURS_PX)] -= _linear(place)
        found.append(count / len(places) * less @ products @ less.T)
    total = np.sum(found, 0)
    return total[:-1, :-1], total[:-1, -1], float(total[-1, -1])


@cache
def _left_of_products() -> Array:
    """Return what two blurs leave of the covariances (blurs, blurs, sizes)."""
    return np.array([[blur_factors(math.hypot(a, b)) for b in BLURS_PX] for a in BLURS_PX])


def _positive(products: Array, scale: float) -> Array:
    """Return the nearest matrix whose squares are positive: texture and predictions are measured apart."""
    values, vectors = np.linalg.eigh((products + products.T) / 2)
    return np.asarray((vectors * np.maximum(values, 1e-3 * scale)) @ vectors.T, np.float64)
