"""Algebra of Gaussian terms a·exp(-½ (x - μ)ᵀ Σ⁻¹ (x - μ)) in any number of dimensions.

A sum of such terms is closed under what instruments do to a field: it is moved (`transform`), blurred by a Gaussian
(`convolve`), cut by a plane (`condition`) and projected (`marginalise`). Each is exact, and differentiable in all three
parts. Axes are in the caller's order, lengths in the caller's unit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class GaussianTerms(NamedTuple):
    """Terms of a sum of Gaussians: peaks (N,) of ``amplitude`` at ``mean`` (N, d), with ``covariance`` (N, d, d)."""

    # Shapes without names: a cut has a dimension less than what it cuts, and both are of this type.
    mean: Float[Tensor, "... _"]
    covariance: Float[Tensor, "... _ _"]
    amplitude: Float[Tensor, "..."]


def transform(terms: GaussianTerms, matrix: Float[Tensor, "*#n d d"], offset: Float[Tensor, "*#n d"]) -> GaussianTerms:
    """Return the terms of the field moved by x → ``matrix`` x + ``offset``; values go along with their points."""
    mean = (matrix @ terms.mean[..., None])[..., 0] + offset
    return GaussianTerms(mean, matrix @ terms.covariance @ matrix.transpose(-1, -2), terms.amplitude)


def convolve(terms: GaussianTerms, kernel: Float[Tensor, "*#n d d"]) -> GaussianTerms:
    """Return the terms convolved with a Gaussian of covariance ``kernel`` and unit integral.

    ``kernel`` may be singular: a blur along some directions only. The peak falls by √(|Σ| / |Σ + K|).
    """
    covariance = terms.covariance + kernel
    loss = torch.sqrt(_determinant(terms.covariance) / _determinant(covariance))
    return GaussianTerms(terms.mean, covariance, terms.amplitude * loss)


def condition(terms: GaussianTerms, *, axis: int = 0, at: Float[Tensor, "*#n"] | float = 0.0) -> GaussianTerms:
    """Return the terms, of one dimension less, of the cut through the field where coordinate ``axis`` is ``at``."""
    mean, along, others = _split(terms.mean, axis)
    rest, cross, variance = _blocks(terms.covariance, axis, others)
    distance = at - along
    slope = cross / variance[..., None]
    return GaussianTerms(
        mean + slope * distance[..., None],
        rest - slope[..., :, None] * cross[..., None, :],
        terms.amplitude * torch.exp(-0.5 * distance**2 / variance),
    )


def marginalise(terms: GaussianTerms, *, axis: int = 0) -> GaussianTerms:
    """Return the terms, of one dimension less, of the field's integral along coordinate ``axis``."""
    mean, _, others = _split(terms.mean, axis)
    rest = terms.covariance[..., others, :][..., :, others]
    # |Σ| / |Σ_rest| is the variance along the axis where the others are fixed.
    thickness = torch.sqrt(2 * math.pi * _determinant(terms.covariance) / _determinant(rest))
    return GaussianTerms(mean, rest, terms.amplitude * thickness)


def evaluate(terms: GaussianTerms, points: Float[Tensor, "m d"]) -> Float[Tensor, " m"]:
    """Return the sum of the terms (N) at M points: the definition, at a cost of N × M."""
    offsets = points[:, None] - terms.mean
    whitened = torch.linalg.solve(terms.covariance, offsets[..., None])[..., 0]
    return (terms.amplitude * torch.exp(-0.5 * (offsets * whitened).sum(-1))).sum(-1)


def integral(terms: GaussianTerms) -> Float[Tensor, "*n"]:
    """Return the integral of every term over all space, a·√((2π)ᵈ |Σ|)."""
    d = terms.mean.shape[-1]
    return terms.amplitude * torch.sqrt((2 * math.pi) ** d * _determinant(terms.covariance))


def conics(covariance: Float[Tensor, "*n 2 2"]) -> Float[Tensor, "*n 3"]:
    """Return (yy, yx, xx) of Σ⁻¹ for covariances with axes y, x: what `render.splat` takes."""
    yy, yx, xx = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    return torch.stack([xx, -yx, yy], -1) / (yy * xx - yx * yx)[..., None]


def _split(mean: Tensor, axis: int) -> tuple[Tensor, Tensor, list[int]]:
    """Coordinates without ``axis``, those along it, and the numbers of the former."""
    others = [i for i in range(mean.shape[-1]) if i != axis % mean.shape[-1]]
    return mean[..., others], mean[..., axis], others


def _blocks(covariance: Tensor, axis: int, others: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    rest = covariance[..., others, :][..., :, others]
    return rest, covariance[..., others, axis], covariance[..., axis, axis]


def _determinant(matrix: Float[Tensor, "*n d d"]) -> Float[Tensor, "*n"]:
    """Determinant in closed form up to three dimensions: LAPACK takes batches one by one."""
    d = matrix.shape[-1]
    if d > 3:
        determinant: Tensor = torch.linalg.det(matrix)
    elif d == 3:
        a, b, c = matrix.unbind(-2)
        determinant = (a * torch.linalg.cross(b, c)).sum(-1)
    elif d == 2:
        determinant = matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]
    else:
        determinant = matrix[..., 0, 0]
    return determinant
