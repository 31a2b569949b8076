"""A slice of a field of 3D Gaussians: the field, blurred by the slice's point spread, on the slice's plane.

The point spread is a Gaussian along the slice's own axes, so that all is exact: its covariance is added to each
Gaussian's, and what remains on the plane are 2D Gaussians, drawn as a weighted sum. The field is additive,
V(x) = Σ a exp(-½ (x - μ)ᵀ Σ⁻¹ (x - μ)); one that is normalised by Σ w would not be closed under a blur.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.gaussians.algebra import GaussianTerms, condition, conics, convolve, transform
from napari_emgauss.render import rules
from napari_emgauss.render.splatting import splat


@dataclass(frozen=True, eq=False)
class SlicePlane:
    """A slice among the Gaussians.

    Parameters
    ----------
    matrix, offset
        (3, 3) and (3,), float64: map a place to (depth, row, column). The plane is where the depth is 0, the centre of
        pixel (i, j) is at row i, column j.
    blur
        Variance (3,) of the point spread along depth, row and column, in the same units, squared.
    shape
        Rows and columns.
    depths
        The slice is the mean of planes at these depths, each with the blur: profiles that are no Gaussian are made of
        some.
    """

    matrix: Float[Tensor, "3 3"]
    offset: Float[Tensor, "3"]
    blur: Float[Tensor, "3"]
    shape: tuple[int, int]
    depths: tuple[float, ...] = (0.0,)


def cut_by(terms: GaussianTerms, plane: SlicePlane) -> GaussianTerms:
    """Return the 2D terms (row, column), in pixels, that the blurred field has on a slice; none of them is left out."""
    return condition(_blurred(terms, plane))


def draw_slice(terms: GaussianTerms, plane: SlicePlane) -> Float[Tensor, "h w"]:
    """Return the image (h, w) of the Gaussians on a slice, differentiable in them and in where the slice is.

    Only those are drawn whose footprint, 3.33 standard deviations, reaches the slice.
    """
    blurred = _blurred(terms, plane)
    near = _reaching(blurred, plane.shape)
    cut = condition(GaussianTerms(*(part[near] for part in blurred)))
    return splat(cut.mean, conics(cut.covariance), cut.amplitude, plane.shape)


def _blurred(terms: GaussianTerms, plane: SlicePlane) -> GaussianTerms:
    """Terms (depth, row, column) after the point spread, once for each depth of the plane."""
    dtype = terms.mean.dtype
    placed = transform(terms, plane.matrix.to(dtype), plane.offset.to(dtype))
    mean, covariance, amplitude = convolve(placed, torch.diag(plane.blur.to(dtype)))
    n = len(plane.depths)
    means = [mean - mean.new_tensor([depth, 0.0, 0.0]) for depth in plane.depths]
    return GaussianTerms(torch.cat(means), covariance.repeat(n, 1, 1), amplitude.repeat(n) / n)


@torch.no_grad()
def _reaching(terms: GaussianTerms, shape: tuple[int, int]) -> Tensor:
    """Indices of the terms (depth, row, column) whose footprint reaches the pixels of a slice."""
    reach = rules.REACH_SIGMA * torch.sqrt(torch.diagonal(terms.covariance, dim1=-2, dim2=-1))
    last = terms.mean.new_tensor([0, shape[0] - 1, shape[1] - 1])
    return ((terms.mean + reach >= 0) & (terms.mean - reach <= last)).all(-1).nonzero()[:, 0]
