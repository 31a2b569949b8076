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
from typing import NamedTuple

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.mixture.fusion import Stack
from napari_emgauss.interpolation.mixture.texture import Array, Guess, Texture, blur_factors
from napari_emgauss.interpolation.plain import blurred

BASIS = tuple((outer, blur_px) for outer in (False, True) for blur_px in (0.0, 0.7, 1.4, 2.8, 5.6))[1:]
"""Means of the two sections next to a gap, or of the two behind them, with their blur in px. The mean of the nearest
two, without a blur, is what all of them are compared with: *linear* below."""
_RIDGE, _TINY = 1e-5, 1e-12


class Middle(NamedTuple):
    """The middle of a gap, or of a section that is hidden from its neighbours."""

    middle: float
    """Section coordinate."""
    inner: tuple[float, float]
    """Those of the sections next to it."""
    outer: tuple[float, float]
    """Those of the sections behind them; at an end of the stack the same again."""


class Around(NamedTuple):
    """What is known of a `Middle`: the four sections around it (Y, X)."""

    place: Middle
    inner: FloatArray
    outer: FloatArray

    @classmethod
    def of(cls, stack: Stack, gap: int) -> Around:
        """Return what lies around the middle of a gap."""
        last = len(stack.sections) - 1
        inner, outer = [gap, gap + 1], [max(0, gap - 1), min(last, gap + 2)]
        z = np.arange(last + 1) if stack.z is None else np.asarray(stack.z)
        (z0, z1), (z2, z3) = (z[pair].tolist() for pair in (inner, outer))
        return cls(Middle((z0 + z1) / 2, (z0, z1), (z2, z3)), stack.sections[inner], stack.sections[outer])

    def against_linear(self, images: Sequence[FloatArray]) -> Array:
        """Return the mean products (k + basis, k + basis) of ``images`` (k, Y, X) and of the basis, less *linear*."""
        linear, far = self.inner.mean(0), self.outer.mean(0)
        basis = [blurred(far if outer else linear, blur) if blur else far for outer, blur in BASIS]
        differences = (np.stack([*images, *basis]) - linear).reshape(len(images) + len(basis), -1).astype(np.float64)
        return np.asarray(differences @ differences.T / differences.shape[1], np.float64)


def expected_products(near: Array, far: Array, places: Sequence[Middle], texture: Texture) -> list[tuple[float, Array]]:
    """Return the mean products (k, k) of the candidates' errors to expect at the distance itself, with probabilities.

    Parameters
    ----------
    near
        `Around.against_linear` of the k candidates, the mean of gaps.
    far
        The same of the candidates and, behind them, the truth, the mean of hidden sections.
    places
        The gaps.
    texture
        Of the stack.
    """
    k = len(far) - len(BASIS) - 1
    parts, own = _split(near, k)
    hidden_parts, hidden_own = _split(np.delete(np.delete(far, k, 0), k, 1), k)
    with_truth = np.delete(far[k], k)
    own_with_truth = with_truth[:k] - with_truth[k:] @ hidden_parts
    true_share = np.clip(own_with_truth / np.maximum(np.diag(hidden_own), _TINY), 0, 1)
    expected = []
    for guess in texture.guesses:
        basis, basis_with_truth, square = _of_texture(guess, places, texture.factor)
        follows = basis_with_truth @ parts + true_share * np.diag(own)
        products = parts.T @ basis @ parts + own - follows[:, None] - follows[None, :] + square
        expected.append((guess.probability, _positive(products, square)))
    return expected


def _split(products: Array, k: int) -> tuple[Array, Array]:
    """Return the weights (basis, k) of the linear parts of k candidates, and the products (k, k) of their own parts."""
    basis, mixed = products[k:, k:], products[k:, :k]
    ridge = _RIDGE * np.trace(basis) / len(basis) + _TINY
    parts = np.linalg.solve(basis + ridge * np.eye(len(basis)), mixed)
    own = products[:k, :k] - parts.T @ mixed - mixed.T @ parts + parts.T @ basis @ parts
    return parts, own


def _of_texture(guess: Guess, places: Sequence[Middle], factor: float) -> tuple[Array, Array, float]:
    """Return the products of the basis, those with the truth, and the square of the truth, all less *linear*."""
    kinds, left = ((False, 0.0), *BASIS), _left_of_products()
    total, n = np.zeros((len(kinds) + 1, len(kinds) + 1)), len(kinds)
    for (inner, outer), count in Counter(map(_from_middle, places)).items():
        at = {False: np.array(inner, np.float64), True: np.array(outer, np.float64)}
        between = {(a, b): _mean_covariance(guess, factor, at[a], at[b]) for a in at for b in at}
        truth = {a: _mean_covariance(guess, factor, at[a], np.zeros(1)) for a in at}
        for i, (a, _) in enumerate(kinds):
            total[i, :n] += [count * left[i, j] @ between[a, b] for j, (b, _) in enumerate(kinds)]
            total[i, n] += count * left[i, 0] @ truth[a]
        total[n, n] += count * guess.covariances(0.0).sum()
    total[n, :n] = total[:n, n]
    total /= len(places)
    less = total - total[:1] - total[:, :1] + total[0, 0]
    return less[1:n, 1:n], less[1:n, n], float(less[n, n])


@cache
def _left_of_products() -> Array:
    """Return what blurs leave of the covariances (basis, basis, sizes), of *linear* before those of the basis."""
    blurs_px = [0.0, *(blur_px for _, blur_px in BASIS)]
    return np.array([[blur_factors(math.hypot(a, b)) for b in blurs_px] for a in blurs_px])


def _from_middle(place: Middle) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return where sections lie, from the middle: it is all that counts, and mostly the same."""
    inner, outer = (tuple(round(z - place.middle, 9) for z in zs) for zs in (place.inner, place.outer))
    return inner, outer


def _mean_covariance(guess: Guess, factor: float, a: Array, b: Array) -> Array:
    return np.asarray(guess.covariances(factor * (a[:, None] - b[None, :])).mean((0, 1)), np.float64)


def _positive(products: Array, scale: float) -> Array:
    """Return the nearest matrix whose squares are positive: texture and predictions are measured apart."""
    values, vectors = np.linalg.eigh((products + products.T) / 2)
    return np.asarray((vectors * np.maximum(values, 1e-3 * scale)) @ vectors.T, np.float64)
