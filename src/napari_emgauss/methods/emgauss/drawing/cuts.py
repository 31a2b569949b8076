"""Cuts along z: one row (or column) of many sections at once, without drawing the sections.

All rows of a gap become rows of one image. A Gaussian of section row y0 is put beside the image row of its z at the
offset, and with so narrow a conic, that it has exactly the value it would have had at y0 and reaches no other row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.blocks import Plan
from napari_emgauss.forward import AnchoredField, SectionModel
from napari_emgauss.forward.fields import GapSide
from napari_emgauss.gaussians import Gaussians, conics_from
from napari_emgauss.render import splat
from napari_emgauss.render.rules import REACH_SIGMA

NARROW = 200.0
"""Conic across the image rows: at 3.33 σ a Gaussian is 0.24 rows off its row, and at 0.76 rows it is drawn no more."""


@torch.inference_mode()
def cut(
    plan: Plan,
    models: Sequence[SectionModel],
    zs: Sequence[float],
    positions: Sequence[float],
    *,
    axis: int,
    index: int,
) -> FloatArray | None:
    """Draw the pixels at ``index`` along ``axis`` of the sections ``zs``.

    Parameters
    ----------
    plan
        The blocks.
    models
        One per block; only those with weight at the pixels are asked for.
    zs, positions
        Section coordinates, and the same counted in observed sections.
    axis
        1: row ``index``, an xz image; 2: column ``index``, a yz image.
    index
        Pixel of the section.

    Returns
    -------
    float32 (len(zs), X or Y) in normalised intensities, what `compose` draws there; None where that would not be exact:
    the models are no weighted sums of Gaussians that drift linearly from section to section.
    """
    _, height, width = plan.shape
    image = np.zeros((len(zs), (width, height)[axis - 1]), np.float32)
    line = (index, index + 1, 0, width) if axis == 1 else (0, height, index, index + 1)
    for number, block in plan.blocks_at(positions, line):
        model = models[number]
        if model.anchored is None:
            return None
        y0, y1, x0, x1 = plan.region(block)
        (low, _), (start, stop) = ((y0, y1), (x0, x1)) if axis == 1 else ((x0, x1), (y0, y1))
        weight_z = np.array([plan.weight_z(block, position) for position in positions], np.float32)
        at, along = np.array([index], np.float32), np.arange(start, stop, dtype=np.float32)
        weight = plan.weight_yx(block, at, along) if axis == 1 else plan.weight_yx(block, along, at).T
        for gap, members in _by_gap(model.anchored, zs, np.flatnonzero(weight_z > 0)).items():
            chosen, phases = list(members), list(members.values())
            lines = _lines(model, model.anchored, gap, phases, axis=axis, at_px=index - low)
            image[chosen, start:stop] += lines * weight * weight_z[chosen, None]
    return image


def _by_gap(field: AnchoredField, zs: Sequence[float], chosen: Iterable[int]) -> dict[int, dict[int, float]]:
    """Return, for every gap between anchors, the phases of the ``chosen`` of ``zs`` that lie in it."""
    gaps: dict[int, dict[int, float]] = {}
    for k in chosen:
        gap, phase = field.locate(zs[k])
        gaps.setdefault(gap, {})[int(k)] = phase
    return gaps


def _lines(
    model: SectionModel, field: AnchoredField, gap: int, phases: Sequence[float], *, axis: int, at_px: int
) -> FloatArray:
    """Draw rows (or columns) ``at_px`` of one block's sections at these phases of a gap, (len(phases), length)."""
    t = torch.as_tensor(phases, dtype=torch.float32, device=model.gaussians.mean_px.device)
    shape = (len(phases), model.shape[2 - axis])
    parts = [_near_line(model.gaussians, field, side, axis=axis, at_px=at_px) for side in field.sides(gap, t)]
    means, conics, weights = (torch.cat(values) for values in zip(*parts, strict=True))
    image = splat(means, conics, weights, shape, mode="sum") + torch.as_tensor(model.background)
    lines: FloatArray = image.cpu().numpy()
    return lines


def _near_line(
    gaussians: Gaussians, field: AnchoredField, side: GapSide[Tensor], *, axis: int, at_px: int
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Return one section's Gaussians that reach the line at some of the phases, as means, conics and weights."""
    g = field.own(gaussians, side.owner, detached=True)
    across, along = axis - 1, 2 - axis
    reach = REACH_SIGMA * torch.exp(g["log_scale"].max(-1).values) + side.motion[across].abs().max()
    near = (g["mean_px"][:, across] - at_px).abs().le(reach).nonzero()[:, 0]
    conics, _ = conics_from(g["log_scale"][near], g["angle_rad"][near])
    first, shared, last = conics[:, 2 * across], conics[:, 1], conics[:, 2 * along]
    motion = field.sample(side.motion, g["mean_px"][near])
    means = g["mean_px"][near] + side.progress[:, None, None] * motion
    offset = at_px - means[..., across]
    exponent = 0.5 * (first - shared * shared / last) * offset**2
    keep = (exponent <= math.log(255)) & (side.fade[:, None] > 0)
    row, member = keep.nonzero(as_tuple=True)
    beside = torch.sqrt(2 * exponent[keep] / NARROW)
    centre = means[..., along][keep] - (shared / last)[member] * offset[keep]
    flat = torch.zeros_like(centre)
    return (
        torch.stack([row + beside, centre], -1),
        torch.stack([flat + NARROW, flat, last[member]], -1),
        g["intensity"][near][member] * side.fade[row],
    )
