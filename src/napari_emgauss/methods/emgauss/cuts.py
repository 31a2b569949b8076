"""Cuts along z: one row (or column) of many sections at once, without drawing the sections.

All rows of a gap become rows of one image. A Gaussian of section row y0 is put beside the image row of its z at the
offset, and with so narrow a conic, that it has exactly the value it would have had at y0 and reaches no other row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward import AnchoredField, SectionModel
from napari_emgauss.gaussians import conics_from
from napari_emgauss.render import splat
from napari_emgauss.render.rules import REACH_SIGMA

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
    from napari_emgauss.resampling.planes import Renderable

NARROW = 200.0
"""Conic across the image rows: at 3.33 σ a Gaussian is 0.24 rows off its row, and at 0.76 rows it is drawn no more."""


def can_cut(reconstruction: Renderable) -> TypeGuard[Reconstruction]:
    """Whether `cut` is exact for this model: weighted sums of Gaussians that drift linearly across a gap."""
    models = getattr(reconstruction, "models", ())
    return bool(models) and all(isinstance(model.field, AnchoredField) and model.mode == "sum" for model in models)


@torch.inference_mode()
def cut(reconstruction: Reconstruction, zs: Sequence[float], *, axis: int, index: int) -> FloatArray:
    """The pixels at ``index`` along ``axis`` of the sections ``zs``.

    Parameters
    ----------
    reconstruction
        One for which `can_cut` holds.
    zs
        Section coordinates within its range.
    axis
        1: row ``index``, an xz image; 2: column ``index``, a yz image.
    index
        Pixel of the section.

    Returns
    -------
    float32 (len(zs), X or Y) in the input's intensity units: what `Reconstruction.render` draws there.
    """
    r = reconstruction
    positions = np.array([r._observed_coordinate(r._check_z(z)) for z in zs])
    image = np.zeros((len(zs), r.shape[3 - axis]), np.float32)
    for block, model in zip(r.plan.blocks, r.models, strict=True):
        y0, y1, x0, x1 = r.plan.region(block)
        (low, high), (start, stop) = ((y0, y1), (x0, x1)) if axis == 1 else ((x0, x1), (y0, y1))
        if not low <= index < high:
            continue
        weight_z = np.array([r.plan.weight_z(block, position) for position in positions], np.float32)
        at, along = np.array([index], np.float32), np.arange(start, stop, dtype=np.float32)
        weight = r.plan.weight_yx(block, at, along) if axis == 1 else r.plan.weight_yx(block, along, at).T
        rows = np.flatnonzero(weight_z > 0)
        for gap, members in _by_gap(model, np.asarray(zs, float)[rows]):
            chosen = rows[members]
            lines = _lines(model, gap, np.asarray(zs, float)[chosen], axis=axis, at_px=index - low)
            image[chosen, start:stop] += lines * weight * weight_z[chosen, None]
    return r.scaling.restore(image)


def _by_gap(model: SectionModel, zs: AnyArray) -> list[tuple[int, AnyArray]]:
    """Indices of ``zs`` by the gap between anchors they are in."""
    anchors = np.asarray(model.field.z_anchors)
    gaps = np.clip(np.searchsorted(anchors, zs, side="right") - 1, 0, len(anchors) - 2)
    return [(int(gap), np.flatnonzero(gaps == gap)) for gap in np.unique(gaps)]


def _lines(model: SectionModel, gap: int, zs: AnyArray, *, axis: int, at_px: int) -> FloatArray:
    """Rows (or columns) ``at_px`` of one block's sections at ``zs``, all within one gap, (len(zs), length)."""
    field, device = model.field, model.gaussians.mean_px.device
    assert isinstance(field, AnchoredField)
    z0, z1 = field.z_anchors[gap : gap + 2]
    t = torch.as_tensor((zs - z0) / (z1 - z0), dtype=torch.float32, device=device)
    shape = (len(zs), model.shape[2 - axis])
    parts = []
    for anchor, grid, progress, fade in ((gap, field.up, t, 1 - t), (gap + 1, field.down, 1 - t, t)):
        owned = slice(field.offsets[anchor], field.offsets[anchor + 1])
        parts.append(_near_line(model, owned, grid[gap], (progress, fade), axis=axis, at_px=at_px))
    means, conics, weights = (torch.cat(values) for values in zip(*parts, strict=True))
    image = splat(means, conics, weights, shape, mode="sum") + torch.as_tensor(model.background)
    lines: FloatArray = image.cpu().numpy()
    return lines


def _near_line(
    model: SectionModel, owned: slice, grid: Tensor, course: tuple[Tensor, Tensor], *, axis: int, at_px: int
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """One section's Gaussians that reach the line at some of the steps of ``course``: (motion done, fade)."""
    g, field = model.gaussians, model.field
    assert isinstance(field, AnchoredField)
    across, along = axis - 1, 2 - axis
    reach = REACH_SIGMA * torch.exp(g.log_scale[owned].max(-1).values) + grid[across].abs().max()
    near = (g.mean_px[owned, across] - at_px).abs().le(reach).nonzero()[:, 0] + owned.start
    conics, _ = conics_from(g.log_scale[near], g.angle_rad[near])
    first, shared, last = conics[:, 2 * across], conics[:, 1], conics[:, 2 * along]
    motion, (progress, fade) = field.sample(grid, g.mean_px[near]), course
    means = g.mean_px[near] + progress[:, None, None] * motion
    offset = at_px - means[..., across]
    exponent = 0.5 * (first - shared * shared / last) * offset**2
    keep = (exponent <= math.log(255)) & (fade[:, None] > 0)
    row, member = keep.nonzero(as_tuple=True)
    beside = torch.sqrt(2 * exponent[keep] / NARROW)
    centre = means[..., along][keep] - (shared / last)[member] * offset[keep]
    flat = torch.zeros_like(centre)
    return (
        torch.stack([row + beside, centre], -1),
        torch.stack([flat + NARROW, flat, last[member]], -1),
        g.intensity[near][member] * fade[row],
    )
