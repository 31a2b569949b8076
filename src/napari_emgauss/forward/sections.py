"""A trainable model of one block of sections: Gaussians, their deformation and how they are composited."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_emgauss.forward.fields import AnchoredField, DeformationField, Deformed, Rows
from napari_emgauss.forward.view import View, draw, visible
from napari_emgauss.gaussians import Gaussians
from napari_emgauss.render.rules import REACH_SIGMA

_MOST_HEIGHTS = 4


class SectionModel(nn.Module):
    """Predicts the image of a block at any section coordinate, in normalised intensities.

    Parameters
    ----------
    gaussians
        The set that is drawn.
    field
        Deformation Φ along z.
    shape
        The block's (Y, X) in pixels.
    mode
        Compositing: ``sum`` over a constant background, or ``alpha`` over black.
    background
        Level added to every pixel in ``sum`` mode.
    """

    def __init__(
        self,
        gaussians: Gaussians,
        field: DeformationField,
        shape: tuple[int, int],
        *,
        mode: str,
        background: float = 0.0,
    ) -> None:
        super().__init__()
        self.gaussians = gaussians
        self.field = field
        self.shape = shape
        self.mode = mode
        self.register_buffer("background", torch.tensor(float(background)))

    @property
    def anchored(self) -> AnchoredField | None:
        """The field, if images are weighted sums of Gaussians that drift linearly between anchors.

        Then lines across sections can be drawn without the sections, and Gaussians that share a pixel merged.
        """
        return self.field.anchored if self.mode == "sum" else None

    @property
    def full_view(self) -> View:
        """The whole block at its own resolution."""
        return View((0, self.shape[0], 0, self.shape[1]))

    def forward(self, z: float, sets: Sequence[Rows] | None = None) -> Float[Tensor, "h w"]:
        """Draw the whole block at ``z``, differentiably; from ``sets`` if its Gaussians were split."""
        splats = self.field.deform(self.gaussians, z, sets)
        return draw(splats, self.full_view, mode=self.mode, background=torch.as_tensor(self.background), cull=False)

    def several(self, zs: Sequence[float], sets: Sequence[Rows] | None = None) -> Float[Tensor, "k h w"]:
        """Draw the images of `forward` at all of ``zs`` in one pass: as one tall image, too far apart to touch."""
        if len(zs) == 1:
            return torch.stack([self(zs[0], sets)])
        height, width = self.shape
        drawn = [visible(self.field.deform(self.gaussians, z, sets), self.full_view) for z in zs]
        pitch = height + _overhang_px(drawn, height)
        down = drawn[0].mean_px.new_tensor([pitch, 0])
        placed = [replace(splats, mean_px=splats.mean_px + k * down) for k, splats in enumerate(drawn)]
        columns = (tuple(getattr(splats, field.name) for splats in placed) for field in fields(Deformed))
        view = View((0, pitch * len(zs), 0, width))
        background = torch.as_tensor(self.background)
        image = draw(Deformed(*map(torch.cat, columns)), view, mode=self.mode, background=background, cull=False)
        return image.view(len(zs), pitch, width)[:, :height]

    @torch.inference_mode()
    def render(self, z: float, view: View | None = None) -> Float[Tensor, "h w"]:
        """Draw the image at ``z`` without gradients, through ``view``."""
        splats = self.field.deform(self.gaussians, z)
        background = torch.as_tensor(self.background)
        chosen = view or self.full_view
        return draw(splats, chosen, mode=self.mode, background=background, cull=view is not None)


@torch.no_grad()
def _overhang_px(drawn: Sequence[Deformed], height: int) -> int:
    """Return how many rows Gaussians reach beyond images of that height, above or below.

    Limited to a few heights: those that run away must not take the memory with them.
    """
    reach = torch.cat([REACH_SIGMA * torch.exp(splats.log_scale.amax(-1)) + 1 for splats in drawn])
    y = torch.cat([splats.mean_px[:, 0] for splats in drawn])
    beyond = torch.cat([reach - y, y + reach - height])
    return math.ceil(min(float(beyond.nan_to_num(0).max()), _MOST_HEIGHTS * height)) if len(y) else 0
