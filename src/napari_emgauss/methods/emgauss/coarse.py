"""Quick small views of large sections: neighbouring Gaussians are merged where they would share a pixel anyway."""

from __future__ import annotations

import bisect
import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.forward import AnchoredField, SectionModel, View
from napari_emgauss.gaussians import Gaussians
from napari_emgauss.methods.emgauss.cuts import can_cut

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss.reconstruction import Reconstruction

CELL_OUTPUT_PX = 2.0
"""Width of a cell, whose Gaussians become one, in pixels of the view."""
CELLS_PX = tuple(5.0 * 2 ** (k / 2) for k in range(12))
"""Widths of cells; a few, so that small changes of the view do not merge anew."""
KEPT_SECTIONS = 6
"""Sections that each block keeps merged."""


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
        models = tuple(_Merged(model, cell) for model in reconstruction.models)
        known[cell] = replace(reconstruction, models=models)  # type: ignore[arg-type]
    return known[cell]


class _Merged:
    """Stands in for a block's model: merges the two sections around a coordinate when they are first drawn."""

    def __init__(self, model: SectionModel, cell_px: float) -> None:
        self.model, self.cell_px = model, cell_px
        self._sections: OrderedDict[int, dict[str, Tensor]] = OrderedDict()
        self._gap: tuple[int, SectionModel] | None = None

    def render(self, z: float, view: View) -> Float[Tensor, "h w"]:
        """As `SectionModel.render`."""
        field = self.model.field
        assert isinstance(field, AnchoredField)
        gap = min(max(bisect.bisect_right(field.z_anchors, z) - 1, 0), len(field.z_anchors) - 2)
        if self._gap is None or self._gap[0] != gap:
            self._gap = gap, self._between(field, gap)
        return self._gap[1].render(z, view)

    def _between(self, field: AnchoredField, gap: int) -> SectionModel:
        """Model of the two sections around a gap."""
        sections = [self._section(field, anchor) for anchor in (gap, gap + 1)]
        first = len(sections[0]["intensity"])
        gaussians = Gaussians({name: torch.cat([section[name] for section in sections]) for name in sections[0]})
        grids = field.up[gap : gap + 1], field.down[gap : gap + 1]
        moved = AnchoredField(field.z_anchors[gap : gap + 2], [0, first, len(gaussians)], field.shape, *grids)
        level = float(torch.as_tensor(self.model.background))
        merged = SectionModel(gaussians, moved, self.model.shape, mode="sum", background=level)
        return merged.to(gaussians.mean_px.device)

    @torch.no_grad()
    def _section(self, field: AnchoredField, anchor: int) -> dict[str, Tensor]:
        if anchor not in self._sections:
            owned = slice(field.offsets[anchor], field.offsets[anchor + 1])
            values = {name: value[owned] for name, value in self.model.gaussians.values().items()}
            self._sections[anchor] = merge_in_cells(values, self.cell_px)
        self._sections.move_to_end(anchor)
        while len(self._sections) > KEPT_SECTIONS:
            self._sections.popitem(last=False)
        return self._sections[anchor]


def merge_in_cells(values: Mapping[str, Tensor], cell_px: float) -> dict[str, Tensor]:
    """One Gaussian for all those whose centres share a square cell, with their integral, mean and covariance.

    Means and covariances are weighted by the absolute integrals: intensities may have either sign.
    """
    cells = torch.floor(values["mean_px"] / cell_px)
    corners = cells * cell_px
    cells -= cells.min(0).values
    n_columns = int(cells[:, 1].max()) + 1
    cell = (cells[:, 0] * n_columns + cells[:, 1]).long()
    variance = torch.exp(2 * values["log_scale"])
    cos, sin = torch.cos(values["angle_rad"]), torch.sin(values["angle_rad"])
    # Counted from the cell's corner: squares of whole positions would leave float32 no digits for the variance.
    (a, b), (y, x) = variance.unbind(-1), (values["mean_px"] - corners).unbind(-1)
    integral = 2 * math.pi * torch.sqrt(a * b) * values["intensity"]
    yy, yx, xx = cos * cos * a + sin * sin * b, cos * sin * (a - b), sin * sin * a + cos * cos * b
    weight = integral.abs().clamp(min=1e-12)
    columns = weight, integral, *(weight * m for m in (y, x, yy + y * y, yx + y * x, xx + x * x))
    sums = torch.stack([torch.bincount(cell, column) for column in columns], -1)
    filled = sums[:, 0].nonzero()[:, 0]
    sums = sums[filled]
    y, x, yy, yx, xx = (sums[:, 2:] / sums[:, :1]).unbind(-1)
    yy, yx, xx = yy - y * y, yx - y * x, xx - x * x
    first = torch.floor(values["mean_px"].min(0).values / cell_px)
    corner = (torch.stack([filled // n_columns, filled % n_columns], -1) + first) * cell_px
    middle, half = (yy + xx) / 2, torch.hypot((yy - xx) / 2, yx)
    large, small = middle + half, (middle - half).clamp(min=1e-6)
    return {
        "mean_px": corner + torch.stack([y, x], -1),
        "log_scale": 0.5 * torch.log(torch.stack([large, small], -1)),
        "angle_rad": 0.5 * torch.atan2(2 * yx, yy - xx),
        "opacity_logit": torch.zeros_like(y),
        "intensity": sums[:, 1] / (2 * math.pi * torch.sqrt(large * small)),
    }
