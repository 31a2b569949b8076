"""A trainable model of one block of sections: Gaussians, their deformation and how they are composited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_emgauss.forward.fields import AnchoredField, DeformationField, Deformed, Rows
from napari_emgauss.forward.view import View, draw
from napari_emgauss.gaussians import Gaussians, conics_from
from napari_emgauss.render import splat_several


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
        """Draw the images of `forward` at all of ``zs``; on a GPU in one pass."""
        drawn = [self.field.deform(self.gaussians, z, sets) for z in zs]
        columns = (torch.cat([getattr(splats, field.name) for splats in drawn]) for field in fields(Deformed))
        mean_px, log_scale, angle_rad, opacity, intensity = columns
        conics, _ = conics_from(log_scale, angle_rad)
        counts = [len(splats.mean_px) for splats in drawn]
        if self.mode == "sum":
            images = splat_several(mean_px, conics, intensity * opacity, counts, self.shape)
        else:
            images = splat_several(mean_px, conics, intensity, counts, self.shape, opacities=opacity, mode="alpha")
        return images + torch.as_tensor(self.background)

    @torch.inference_mode()
    def render(self, z: float, view: View | None = None) -> Float[Tensor, "h w"]:
        """Draw the image at ``z`` without gradients, through ``view``."""
        splats = self.field.deform(self.gaussians, z)
        background = torch.as_tensor(self.background)
        chosen = view or self.full_view
        return draw(splats, chosen, mode=self.mode, background=background, cull=view is not None)
