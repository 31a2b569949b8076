"""Gauss-Newton steps of one section of a block."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.forward.sections import SectionModel
from napari_emgauss.gaussians import conics_from
from napari_emgauss.losses import least_squares, quadratic_model
from napari_emgauss.render import gauss_newton_step, splat

WEIGHT_ITERATIONS, ITERATIONS = 3, 4
"""Conjugate gradients of a section's first step, and of each that follows."""


@torch.no_grad()
def newton_step(
    model: SectionModel,
    z: float,
    image: Float[Tensor, "h w"],
    *,
    weight: Float[Tensor, "h w"] | None = None,
    lambda_dssim: float | None = None,
    first: bool = False,
) -> Float[Tensor, ""]:
    """Move the Gaussians that are anchored at ``z`` towards ``image``; return the mean difference before.

    At an anchor they are drawn alone, where they are and as strong as they are: each section is a fit of its own.

    Parameters
    ----------
    model
        An anchored one; changed in place.
    z
        Coordinate of an anchor.
    image
        Its section, in normalised intensities.
    weight
        How much each pixel counts, at least 0; by default all the same.
    lambda_dssim
        Share of 1 - SSIM beside L1; None fits by least squares, for images without noise of their own.
    first
        Whether it is the section's first step: it solves for the intensities alone.
    """
    field = model.anchored
    assert field is not None
    own = field.own(model.gaussians, field.z_anchors.index(z), detached=True)
    conics, _ = conics_from(own["log_scale"], own["angle_rad"])
    drawn = splat(own["mean_px"], conics, own["intensity"], model.shape) + torch.as_tensor(model.background)
    if lambda_dssim is None:
        slope, curvature = least_squares(drawn, image, weight)
    else:
        slope, curvature = quadratic_model(drawn, image, weight=weight, lambda_dssim=lambda_dssim)
    iterations = WEIGHT_ITERATIONS if first else ITERATIONS
    for name, values in gauss_newton_step(own, slope, curvature, iterations=iterations, weights_only=first).items():
        own[name].copy_(values)
    return (drawn - image).abs().mean()
