"""Sections composed from the blocks that cover them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.blocks import Plan
from napari_emgauss.forward import View


class BlockModel(Protocol):
    """Model of one block, as composition needs it."""

    def render(self, z: float, view: View) -> Float[Tensor, "h w"]:
        """Draw a part of the block, in its own pixels; ``z`` is a section coordinate of the stack."""


def compose(plan: Plan, models: Sequence[BlockModel], view: View, z: float, position: float) -> FloatArray:
    """Draw a section as the weighted sum of its blocks, in normalised intensities.

    Parameters
    ----------
    plan
        The blocks.
    models
        One per block; only those in view are asked for.
    view
        What is drawn of the section.
    z, position
        Section coordinate, and the same counted in observed sections.
    """
    image = np.zeros(view.shape, np.float32)
    _, height, width = plan.shape
    rows = [_covered(view.region[0], view.shape[0], view.zoom, _reach(span, height)) for span in plan.y]
    columns = [_covered(view.region[2], view.shape[1], view.zoom, _reach(span, width)) for span in plan.x]
    for index, block in plan.blocks_at(position):
        (down, y), (across, x) = rows[block.y], columns[block.x]
        if len(y) and len(x):
            part = models[index].render(z, _part(view, down, across, (plan.y[block.y][0], plan.x[block.x][0])))
            weight = plan.weight_z(block, position) * plan.weight_yx(block, y, x)
            image[down, across] += part.cpu().numpy() * weight.astype(np.float32)
    return image


def _part(view: View, rows: slice, columns: slice, origin: tuple[int, int]) -> View:
    """Return the view of one block for these output rows and columns: their edges, in the block's own pixels."""
    edges = [
        view.region[0] - origin[0] + rows.start / view.zoom,
        view.region[0] - origin[0] + rows.stop / view.zoom,
        view.region[2] - origin[1] + columns.start / view.zoom,
        view.region[2] - origin[1] + columns.stop / view.zoom,
    ]
    return View((edges[0], edges[1], edges[2], edges[3]), view.zoom)


def _reach(span: tuple[int, int], size: int) -> tuple[float, float]:
    """Return the positions that a tile's span draws: its pixels, and at the section's borders all that is beyond.

    The last pixel of a zoomed-out view may be centred a little outside the section.
    """
    start, stop = span
    return (start - 0.5 if start > 0 else -math.inf), (stop - 0.5 if stop < size else math.inf)


def _covered(first_px: float, n_output: int, zoom: float, reach: tuple[float, float]) -> tuple[slice, FloatArray]:
    """Return the output pixels centred within ``reach`` of the section, half-open, and those centres in its pixels."""
    centres = first_px - 0.5 + (np.arange(n_output, dtype=np.float64) + 0.5) / zoom
    inside = np.flatnonzero((centres >= reach[0]) & (centres < reach[1]))
    if len(inside) == 0:
        return slice(0, 0), np.empty(0, np.float32)
    chosen = slice(int(inside[0]), int(inside[-1]) + 1)
    return chosen, centres[chosen].astype(np.float32)
