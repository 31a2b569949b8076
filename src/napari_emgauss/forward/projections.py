"""Projections of 3D Gaussians along the views of particles, in closed form.

The centres of Gaussians are z, y, x in pixels from voxel box // 2. With Σ' = R Σ Rᵀ and Σ₂ its block of x and y, a term
of peak ρ projects to one of peak ρ √(2π |Σ'| / |Σ₂|) and covariance Σ₂.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.gaussians.algebra import GaussianTerms, conics, marginalise, transform
from napari_emgauss.particles import Vector
from napari_emgauss.render import splat
from napari_emgauss.render.backends import Backend
from napari_emgauss.render.volumes import packed_precisions, splat_volume


def axes_reversed(rotation: Vector) -> Float[Tensor, "3 3"]:
    """Return a rotation of x, y, z as one of z, y, x."""
    return torch.from_numpy(np.ascontiguousarray(np.asarray(rotation)[..., ::-1, ::-1], dtype=np.float32))


def projected(
    terms: GaussianTerms, rotation: Vector, shift_px: Vector | tuple[float, float] = (0.0, 0.0)
) -> GaussianTerms:
    """Return the terms of an observed image, with axes y, x in pixels from its centre.

    Parameters
    ----------
    terms
        Of a map: axes z, y, x.
    rotation
        R (3, 3) of x, y, z.
    shift_px
        (x, y): the observed image moved by it is the centred one.
    """
    matrix = axes_reversed(rotation).to(terms.mean)
    offset = torch.tensor([0.0, -shift_px[1], -shift_px[0]]).to(terms.mean)
    return marginalise(transform(terms, matrix, offset), axis=0)


def draw_projection(terms: GaussianTerms, box_px: int, *, backend: Backend = "auto") -> Float[Tensor, "box box"]:
    """Draw the terms of an image (axes y, x) about pixel box // 2."""
    return splat(terms.mean + box_px // 2, conics(terms.covariance), terms.amplitude, (box_px, box_px), backend=backend)


def draw_map(terms: GaussianTerms, box_px: int) -> Float[Tensor, "box box box"]:
    """Draw the terms of a map (axes z, y, x) about voxel box // 2."""
    precisions = packed_precisions(terms.covariance)
    return splat_volume(terms.mean + box_px // 2, precisions, terms.amplitude, (box_px,) * 3)


def symmetric(terms: GaussianTerms, operators: Vector) -> GaussianTerms:
    """Return the terms with their copies under every operator (g, 3, 3) of x, y, z, each with a g-th of the peak."""
    copies = [transform(terms, axes_reversed(own).to(terms.mean), torch.zeros(3).to(terms.mean)) for own in operators]
    return GaussianTerms(
        torch.cat([copy.mean for copy in copies]),
        torch.cat([copy.covariance for copy in copies]),
        torch.cat([copy.amplitude for copy in copies]) / len(operators),
    )
