"""Quick small views of large sections: neighbouring Gaussians are merged where they would share a pixel anyway."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.blocks import Block, Plan, fade
from napari_emgauss.forward import AnchoredField, SectionModel, View, draw
from napari_emgauss.forward.fields import Deformed
from napari_emgauss.methods.emgauss.cells import NEAR_CELLS, merge_in_cells
from napari_emgauss.methods.emgauss.cuts import can_cut

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss.reconstruction import Reconstruction

CELL_OUTPUT_PX = 2.0
"""Width of a cell, whose Gaussians become one, in pixels of the view."""
CELLS_PX = tuple(5.0 * 2 ** (k / 2) for k in range(12))
"""Widths of cells; a few, so that small changes of the view do not merge anew."""
KEPT_ZOOMS = 2
"""Widths of cells that are kept merged."""
KEPT_SECTIONS = 6
"""Sections that are kept merged."""


def coarse(reconstruction: Reconstruction, zoom: float, known: dict[float, Reconstruction]) -> Reconstruction:
    """A reconstruction that looks alike at ``zoom`` or below and renders faster.

    Parameters
    ----------
    reconstruction
        Where a weighted sum of Gaussians is drawn; others come back as they are.
    zoom
        Output pixels per section pixel.
    known
        Filled by earlier calls with the same reconstruction; empty at first.
    """
    fitting = [cell for cell in CELLS_PX if cell * zoom <= CELL_OUTPUT_PX]
    if not fitting or not can_cut(reconstruction):
        return reconstruction
    cell = fitting[-1]
    if cell not in known:
        while len(known) >= KEPT_ZOOMS:
            del known[next(iter(known))]
        plan, blocks = reconstruction.plan, reconstruction.plan.blocks
        whole = Plan(plan.z, *(((0, size),) for size in reconstruction.shape[1:]))
        bundles = [
            [(block, model) for block, model in zip(blocks, reconstruction.models, strict=True) if block.z == z]
            for z in range(len(plan.z))
        ]
        models = tuple(_Mosaic(plan, tiles, cell) for tiles in bundles)
        known[cell] = replace(reconstruction, plan=whole, models=models)  # type: ignore[arg-type]
    return known[cell]


class _Mosaic:
    """Stands in for the models of a bundle: one set of Gaussians over all its tiles, merged when first drawn.

    A tile's weight, by which neighbours cross-fade, goes into the intensities of its Gaussians.
    """

    def __init__(self, plan: Plan, tiles: Sequence[tuple[Block, SectionModel]], cell_px: float) -> None:
        self.plan, self.tiles, self.cell_px = plan, tiles, cell_px
        self._merged: OrderedDict[tuple[int, Block], dict[str, Tensor]] = OrderedDict()
        levels = [float(torch.as_tensor(model.background)) for _, model in tiles]
        self._levels = np.array(levels, np.float32).reshape(len(plan.y), len(plan.x))

    @torch.inference_mode()
    def render(self, z: float, view: View) -> Float[Tensor, "h w"]:
        """As `SectionModel.render`; the view is one of the whole section."""
        field = self._field(self.tiles[0][1])
        gap = min(max(bisect.bisect_right(field.z_anchors, z) - 1, 0), len(field.z_anchors) - 2)
        t = (z - field.z_anchors[gap]) / (field.z_anchors[gap + 1] - field.z_anchors[gap])
        drawn = []
        for block, model in self._visible(view):
            for anchor, nearness, way, side in ((gap, 1 - t, t, "up"), (gap + 1, t, 1 - t, "down")):
                if nearness > 0:
                    own = self._section(block, model, anchor)
                    mean_px = own["mean_px"] + way * own[side] if way > 0 else own["mean_px"]
                    nearnesses = torch.full_like(own["angle_rad"], nearness)
                    drawn.append((mean_px, own["log_scale"], own["angle_rad"], nearnesses, own["intensity"]))
        splats = Deformed(*(torch.cat(values) for values in zip(*drawn, strict=True)))
        return draw(splats, view, mode="sum", background=self._background(view).to(splats.mean_px.device))

    def _visible(self, view: View) -> list[tuple[Block, SectionModel]]:
        """Tiles that reach into the view, or could after their motion."""
        near = NEAR_CELLS * self.cell_px
        y0, y1, x0, x1 = view.region
        found = []
        for block, model in self.tiles:
            top, bottom, left, right = self.plan.region(block)
            if top - near < y1 and bottom + near > y0 and left - near < x1 and right + near > x0:
                found.append((block, model))
        return found

    def _background(self, view: View) -> Float[Tensor, "h w"]:
        """The tiles' levels, cross-faded like the tiles."""
        fades = []
        for axis, spans in enumerate((self.plan.y, self.plan.x)):
            position = view.region[2 * axis] - 0.5 + (np.arange(view.shape[axis]) + 0.5) / view.zoom
            fades.append(np.stack([fade(spans, k, position) for k in range(len(spans))]))
        return torch.from_numpy(fades[0].T @ self._levels @ fades[1])

    def _section(self, block: Block, model: SectionModel, anchor: int) -> dict[str, Tensor]:
        """Merged Gaussians of a tile's section in pixels of the whole one, with their motion over a gap."""
        key = anchor, block
        if key not in self._merged:
            field = self._field(model)
            own = model.gaussians.rows(*field.offsets[anchor : anchor + 2], detached=True)
            # Before merging: a cell may be wider than the tiles' overlap.
            weighted = own["intensity"] * self._weight(block, own["mean_px"])
            values = merge_in_cells({**own, "intensity": weighted}, self.cell_px, model.shape)
            mean_px = values["mean_px"]
            for side, grids, gap in (("up", field.up, anchor), ("down", field.down, anchor - 1)):
                if 0 <= gap < len(grids):
                    values[side] = field.sample(grids[gap], mean_px)
            values["mean_px"] = mean_px + self._origin(block, mean_px)
            self._merged[key] = values
        self._merged.move_to_end(key)
        while len(self._merged) > KEPT_SECTIONS * len(self.tiles):
            self._merged.popitem(last=False)
        return self._merged[key]

    def _weight(self, block: Block, mean_px: Tensor) -> Tensor:
        """Weight of a tile at positions (N, 2) in its own pixels."""
        y, x = (mean_px + self._origin(block, mean_px)).cpu().numpy().T
        return torch.from_numpy(fade(self.plan.y, block.y, y) * fade(self.plan.x, block.x, x)).to(mean_px.device)

    def _origin(self, block: Block, like: Tensor) -> Tensor:
        top, _, left, _ = self.plan.region(block)
        return like.new_tensor([top, left])

    @staticmethod
    def _field(model: SectionModel) -> AnchoredField:
        assert isinstance(model.field, AnchoredField)
        return model.field
