"""The ``gsplat`` backend: compositing in gsplat's CUDA kernels (1.5.3)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from napari_emgauss.errors import BackendUnavailableError
from napari_emgauss.render import rules

TILE_PX = 16
"""Side of the squares of pixels that one block of threads composites."""


def radii_px(
    means_px: Float[Tensor, "n 2"], conics: Float[Tensor, "n 3"], opacities: Float[Tensor, "n"]
) -> Int[Tensor, "n 2"]:
    """Return the half extent in x and y of what is drawn of each Gaussian, rounded up; zero culls it."""
    yy, yx, xx = conics.double().unbind(1)
    reach = torch.log(255 * opacities.double()).clamp(max=rules.CUTOFF_EXPONENT)
    half = torch.sqrt(2 * reach[:, None] * torch.stack([yy, xx], 1) / (yy * xx - yx * yx)[:, None]).ceil()
    drawn = rules.drawable(means_px, conics) & (reach > 0)
    # Clamped to what int32 holds and gsplat's own sums of means and radii stand.
    return torch.where(drawn[:, None], half, 0.0).clamp(max=1e6).int()


def splat_alpha(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n d"],
    opacities: Float[Tensor, "n"] | None,
    shape: tuple[int, int],
) -> Float[Tensor, "h w d"]:
    """Draw I = Σ w α T, in index order: all depths are equal, and gsplat sorts stably."""
    from gsplat.cuda._wrapper import isect_offset_encode, isect_tiles, rasterize_to_pixels

    if opacities is None:
        opacities = torch.ones_like(means_px[:, 0])
    height, width = shape
    if len(means_px) == 0:
        # Zeros that have a gradient, if an empty one.
        nothing = weights.sum() + means_px.sum() + conics.sum() + opacities.sum()
        return nothing.expand(height, width, weights.shape[1])
    # gsplat wants a leading axis of views, x before y, and pixel centres at + 0.5.
    means_xy = (means_px.flip(1) + 0.5)[None].contiguous()
    radii = radii_px(means_px.detach(), conics.detach(), opacities.detach())[None].contiguous()
    tiles_w, tiles_h = -(-width // TILE_PX), -(-height // TILE_PX)
    try:
        depths = torch.ones_like(opacities)[None]
        _, ids, order = isect_tiles(means_xy.detach(), radii, depths, TILE_PX, tiles_w, tiles_h)
        offsets = isect_offset_encode(ids, 1, tiles_w, tiles_h)
        image, _ = rasterize_to_pixels(
            means_xy,
            conics.flip(1)[None].contiguous(),
            weights[None].contiguous(),
            opacities[None].contiguous(),
            width,
            height,
            TILE_PX,
            offsets,
            order,
            packed=False,
        )
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AttributeError, TypeError, AssertionError) as error:
        raise BackendUnavailableError(
            f"gsplat failed: {type(error).__name__}: {error} This package is written for gsplat 1.5.3: "
            "pip install gsplat==1.5.3."
        ) from error
    result: Tensor = image[0]
    return result
