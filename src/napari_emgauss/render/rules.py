"""Rules that every backend draws by: gsplat 1.5.3's cut-offs, and Gaussians that are not drawn."""

from __future__ import annotations

import math

from jaxtyping import Bool, Float
from torch import Tensor

CUTOFF = 1 / 255
"""Nothing is drawn where a Gaussian falls below this part of its peak, nor where its alpha falls below it."""

CUTOFF_EXPONENT = math.log(255.0)
"""-log(CUTOFF): the largest ½ dᵀΣ⁻¹d that is drawn, 5.54."""

REACH_SIGMA = math.sqrt(2 * CUTOFF_EXPONENT)
"""The same in standard deviations, 3.33."""

ALPHA_MAX = 0.999
"""Alpha is clamped here so that transmittance stays invertible; a clamped alpha passes no gradient."""

TRANSMITTANCE_STOP = 1e-4
"""A pixel is finished before a Gaussian that would take its transmittance to this value or below."""

POSITION_LIMIT_PX = 1e9
"""Means beyond are not drawn (nor infinite ones): float32 no longer resolves pixels there."""


def drawable(means_px: Float[Tensor, "n 2"], conics: Float[Tensor, "n 3"]) -> Bool[Tensor, "n"]:
    """Find the Gaussians with a finite mean and a positive definite, finite conic; the others are not drawn.

    The determinant is formed in float64: in float32 it would round to zero for long, thin Gaussians.
    """
    yy, yx, xx = conics.double().unbind(-1)
    definite = (yy * xx - yx * yx > 0) & (xx > 0) & (yy < math.inf) & (xx < math.inf)
    return definite & (means_px.abs() < POSITION_LIMIT_PX).all(-1)
