"""Quick small views of large sections: neighbouring Gaussians are merged where they would share a pixel anyway."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.blocks import Block, Plan, fade
from napari_emgauss.forward import AnchoredField, SectionModel, View, draw
from napari_emgauss.forward.fields import Deformed
from napari_emgauss.gaussians.merging import NEAR_CELLS, merge_in_cells

CELL_OUTPUT_PX = 2.0
"""Width of a cell, whose Gaussians become one, in pixels of the view."""
CELLS_PX = tuple(5.0 * 2 ** (k / 2) for k in range(12))
"""Widths of cells; a few, so that small changes of the view do not merge anew."""
KEPT_ZOOMS = 2
"""Widths of cells that are kept merged."""
KEPT_SECTIONS = 6
"""Sections that are kept merged."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Bundles of merged Gaussians, and the plan in which each of them is a block."""

    plan: Plan
    models: tuple[Mosaic, ...]


def merged(plan: Plan, models: Sequence[SectionModel], zoom: float, known: dict[float, Merged]) -> Merged | None:
    """Return merged models that look alike at ``zoom`` or below and are drawn faster.

    Parameters
    ----------
    plan, models
        The blocks and their models; of these only those in view are asked for, when they are drawn.
    zoom
        Output pixels per section pixel.
    known
        Filled by earlier calls with the same models; empty at first.

    Returns
    -------
    None where nothing can be merged: at such a zoom, or since no weighted sum of Gaussians is drawn.
    """
    fitting = [cell for cell in CELLS_PX if cell * zoom <= CELL_OUTPUT_PX]
    if not fitting or models[0].anchored is None:
        return None
    cell = fitting[-1]
    if cell not in known:
        while len(known) >= KEPT_ZOOMS:
            del known[next(iter(known))]
        _, height, width = plan.shape
        bundles = tuple(Mosaic(plan, models, bundle, cell) for bundle in range(len(plan.z)))
        known[cell] = Merged(plan=Plan(plan.z, ((0, height),), ((0, width),)), models=bundles)
    return known[cell]


@dataclass(frozen=True, kw_only=True)
class _MergedSection:
    """Merged Gaussians of a tile's section."""

    values: Mapping[str, Tensor]
    """By name, in pixels of the whole section."""
    motion: Mapping[int, Float[Tensor, "n 2"]]
    """Displacement across each of the gaps beside the section."""
    background: float
    """The tile's."""


class Mosaic:
    """A bundle as one model: a set of Gaussians over all its tiles, merged when first drawn.

    A tile's weight, by which neighbours cross-fade, goes into the intensities of its Gaussians.
    """

    def __init__(self, plan: Plan, models: Sequence[SectionModel], bundle: int, cell_px: float) -> None:
        self.plan, self.models, self.cell_px = plan, models, cell_px
        self.tiles = [(index, block) for index, block in enumerate(plan.blocks) if block.z == bundle]
        self._merged: OrderedDict[tuple[int, Block], _MergedSection] = OrderedDict()

    @torch.inference_mode()
    def render(self, z: float, view: View) -> Float[Tensor, "h w"]:
        """Draw as `SectionModel.render` does; the view is one of the whole section."""
        gap, phase = self._field.locate(z)
        sides = [side for side in self._field.sides(gap, phase) if side.fade > 0]
        drawn, levels = [], np.zeros((len(self.plan.y), len(self.plan.x)), np.float32)
        for index, block in self._visible(view):
            for side in sides:
                section = self._section(index, block, side.owner)
                own = section.values
                mean_px = own["mean_px"]
                if side.progress > 0:
                    mean_px = mean_px + side.progress * section.motion[gap]
                fades = torch.full_like(own["angle_rad"], side.fade)
                drawn.append((mean_px, own["log_scale"], own["angle_rad"], fades, own["intensity"]))
                levels[block.y, block.x] = section.background
        splats = Deformed(*(torch.cat(values) for values in zip(*drawn, strict=True)))
        return draw(splats, view, mode="sum", background=self._background(view, levels).to(splats.mean_px.device))

    @cached_property
    def _field(self) -> AnchoredField:
        """Field of the first tile: all have the same anchors."""
        return self._anchored(self.models[self.tiles[0][0]])

    @staticmethod
    def _anchored(model: SectionModel) -> AnchoredField:
        if model.anchored is None:
            raise TypeError("only weighted sums of Gaussians that drift linearly between sections can be merged.")
        return model.anchored

    def _visible(self, view: View) -> Iterator[tuple[int, Block]]:
        """Yield the tiles that reach into the view, or could after their motion."""
        near = NEAR_CELLS * self.cell_px
        y0, y1, x0, x1 = view.region
        for index, block in self.tiles:
            top, bottom, left, right = self.plan.region(block)
            if top - near < y1 and bottom + near > y0 and left - near < x1 and right + near > x0:
                yield index, block

    def _background(self, view: View, levels: FloatArray) -> Float[Tensor, "h w"]:
        """Cross-fade the tiles' levels like the tiles."""
        fades = []
        for axis, spans in enumerate((self.plan.y, self.plan.x)):
            position = view.region[2 * axis] - 0.5 + (np.arange(view.shape[axis]) + 0.5) / view.zoom
            fades.append(np.stack([fade(spans, k, position) for k in range(len(spans))]))
        return torch.from_numpy(fades[0].T @ levels @ fades[1])

    def _section(self, index: int, block: Block, owner: int) -> _MergedSection:
        """Return the merged Gaussians of a tile's section, made when they are first wanted."""
        key = owner, block
        if key not in self._merged:
            self._merged[key] = self._merge(self.models[index], block, owner)
        self._merged.move_to_end(key)
        while len(self._merged) > KEPT_SECTIONS * len(self.tiles):
            self._merged.popitem(last=False)
        return self._merged[key]

    def _merge(self, model: SectionModel, block: Block, owner: int) -> _MergedSection:
        field = self._anchored(model)
        own = field.own(model.gaussians, owner, detached=True)
        # Before merging: a cell may be wider than the tiles' overlap.
        weighted = own["intensity"] * self._weight(block, own["mean_px"])
        values = merge_in_cells({**own, "intensity": weighted}, self.cell_px, model.shape)
        motion = {gap: field.sample(grid, values["mean_px"]) for gap, grid in field.motions(owner).items()}
        placed = {**values, "mean_px": values["mean_px"] + self._origin(block, values["mean_px"])}
        return _MergedSection(values=placed, motion=motion, background=float(torch.as_tensor(model.background)))

    def _weight(self, block: Block, mean_px: Tensor) -> Tensor:
        """Return the weight of a tile at positions (N, 2) in its own pixels."""
        y, x = (mean_px + self._origin(block, mean_px)).cpu().numpy().T
        return torch.from_numpy(fade(self.plan.y, block.y, y) * fade(self.plan.x, block.x, x)).to(mean_px.device)

    def _origin(self, block: Block, like: Tensor) -> Tensor:
        top, _, left, _ = self.plan.region(block)
        return like.new_tensor([top, left])
