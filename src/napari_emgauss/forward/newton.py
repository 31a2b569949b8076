"""Gauss-Newton steps of the sections of a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.forward.sections import SectionModel
from napari_emgauss.gaussians import conics_from
from napari_emgauss.losses import least_squares, quadratic_models
from napari_emgauss.render import gauss_newton_step, splat_several

WEIGHT_ITERATIONS, ITERATIONS = 3, 4
"""Conjugate gradients of a section's first step, and of each that follows."""


@dataclass(frozen=True)
class NewtonTarget:
    """What the Gaussians that are anchored at a section are moved towards."""

    image: Float[Tensor, "h w"]
    """The section, in normalised intensities."""
    weight: Float[Tensor, "h w"] | None = None
    """How much each pixel counts, at least 0; by default all the same."""
    lambda_dssim: float | None = None
    """Share of 1 - SSIM beside L1; None fits by least squares, for images without noise of their own."""


@torch.no_grad()
def newton_step(
    model: SectionModel, first: int, targets: Sequence[NewtonTarget], *, weights_only: bool = False
) -> list[Float[Tensor, ""]]:
    """Move the Gaussians that are anchored at some sections towards their images; return mean differences before.

    At an anchor they are drawn alone, where they are and as strong as they are: each section is a fit of its own, and
    several are made side by side, on a GPU at once.

    Parameters
    ----------
    model
        An anchored one; changed in place.
    first
        The first of the sections, counted among the anchors.
    targets
        Of that section and those that follow it.
    weights_only
        Solve for the intensities alone, as a section's first step does.
    """
    field = model.anchored
    assert field is not None
    ends = field.offsets[first : first + len(targets) + 1]
    own, counts = model.gaussians.rows(ends[0], ends[-1], detached=True), [b - a for a, b in pairwise(ends)]
    conics, _ = conics_from(own["log_scale"], own["angle_rad"])
    drawn = splat_several(own["mean_px"], conics, own["intensity"], counts, model.shape)
    drawn = drawn + torch.as_tensor(model.background)
    slope, curvature = _models(drawn, targets)
    iterations = WEIGHT_ITERATIONS if weights_only else ITERATIONS
    one = len(targets) == 1
    moved = gauss_newton_step(
        own,
        slope[0] if one else slope,
        curvature[0] if one else curvature,
        iterations=iterations,
        weights_only=weights_only,
        counts=None if one else counts,
    )
    for name, values in moved.items():
        own[name].copy_(values)
    return [(image - target.image).abs().mean() for image, target in zip(drawn, targets, strict=True)]


def _models(
    drawn: Float[Tensor, "k h w"], targets: Sequence[NewtonTarget]
) -> tuple[Float[Tensor, "k h w"], Float[Tensor, "k h w"]]:
    """Slope and curvature of every image's loss; those of one kind are made together."""
    kinds: dict[tuple[float | None, bool], list[int]] = {}
    for k, target in enumerate(targets):
        kinds.setdefault((target.lambda_dssim, target.weight is None), []).append(k)
    models: list[tuple[Tensor, Tensor]] = [(drawn[0], drawn[0])] * len(targets)
    for (lambda_dssim, _), members in kinds.items():
        pred = torch.stack([drawn[k] for k in members])
        image = torch.stack([targets[k].image for k in members])
        weights = [weight for k in members if (weight := targets[k].weight) is not None]
        weight = torch.stack(weights) if weights else None
        if lambda_dssim is None:
            found = least_squares(pred, image, weight)
        else:
            found = quadratic_models(pred, image, weight=weight, lambda_dssim=lambda_dssim)
        for k, slope, curvature in zip(members, *found, strict=True):
            models[k] = slope, curvature
    slopes, curvatures = zip(*models, strict=True)
    return torch.stack(slopes), torch.stack(curvatures)
