"""Views of a section: the part that is drawn, and its magnification."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.errors import ConfigError
from napari_emgauss.forward.fields import Deformed
from napari_emgauss.gaussians import conics_from
from napari_emgauss.render import splat
from napari_emgauss.render.rules import REACH_SIGMA


@dataclass(frozen=True)
class View:
    """A box of a section and a magnification: output pixel j is centred at y0 - 1/2 + (j + 1/2) / zoom.

    The box is half-open, (y0, y1, x0, x1) in pixels; it may start and end between pixels.
    """

    region: tuple[float, float, float, float]
    zoom: float = 1.0

    def __post_init__(self) -> None:
        y0, y1, x0, x1 = self.region
        if y1 <= y0 or x1 <= x0:
            raise ConfigError(f"region must be (y0, y1, x0, x1) with y0 < y1 and x0 < x1, got {self.region}.")
        if not (math.isfinite(self.zoom) and self.zoom > 0):
            raise ConfigError(
                f"zoom must be a positive number, got {self.zoom}. 1 draws input pixels, 0.5 half as many."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Output pixels (Y, X), at least one each."""
        y0, y1, x0, x1 = self.region
        return max(1, round((y1 - y0) * self.zoom)), max(1, round((x1 - x0) * self.zoom))

    def to_output(self, mean_px: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Convert section pixels (y, x) to output pixels."""
        y0, _, x0, _ = self.region
        # To bring numbers to a GPU is to wait for it, and a training's views begin at 0.
        moved = mean_px - mean_px.new_tensor([y0, x0]) if y0 or x0 else mean_px
        return moved if self.zoom == 1 else (moved + 0.5) * self.zoom - 0.5


def visible(splats: Deformed, view: View, blur_px: float = 0.0) -> Deformed:
    """Return the Gaussians that reach into the view once they are blurred by ``blur_px``."""
    y0, y1, x0, x1 = view.region
    reach = REACH_SIGMA * torch.sqrt(torch.exp(2 * splats.log_scale.max(-1).values) + blur_px**2) + 1 / view.zoom
    y, x = splats.mean_px.unbind(-1)
    keep = ((y + reach > y0) & (y - reach < y1) & (x + reach > x0) & (x - reach < x1)).nonzero()[:, 0]
    return Deformed(
        splats.mean_px[keep],
        splats.log_scale[keep],
        splats.angle_rad[keep],
        splats.opacity[keep],
        splats.intensity[keep],
    )


def draw(
    splats: Deformed, view: View, *, mode: str, background: Tensor | float, cull: bool = True
) -> Float[Tensor, "h w"]:
    """Render ``splats`` through ``view``.

    Where the view shrinks the section, the Gaussians are convolved with one of half an output pixel, so that nothing
    aliases. In ``sum`` mode the integral is kept exactly.
    """
    blur_px = 0.5 * math.sqrt(1 / view.zoom**2 - 1) if view.zoom < 1 else 0.0
    if cull:
        splats = visible(splats, view, blur_px)
    conics, peak = conics_from(splats.log_scale, splats.angle_rad, blur_px=blur_px)
    means = view.to_output(splats.mean_px)
    conics = conics / view.zoom**2
    if mode == "sum":
        image = splat(means, conics, splats.intensity * splats.opacity * peak, view.shape, mode="sum")
    else:
        image = splat(means, conics, splats.intensity, view.shape, opacities=splats.opacity * peak, mode="alpha")
    return image + background
