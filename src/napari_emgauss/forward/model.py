"""A trainable model of one block of sections: Gaussians, their deformation and how they are composited."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_emgauss.forward.fields import DeformationField, Rows
from napari_emgauss.forward.view import View, draw
from napari_emgauss.gaussians import Gaussians


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
    def full_view(self) -> View:
        """The whole block at its own resolution."""
        return View((0, self.shape[0], 0, self.shape[1]))

    def forward(self, z: float, sets: Sequence[Rows] | None = None) -> Float[Tensor, "h w"]:
        """Differentiable image of the whole block at ``z``, drawn from ``sets`` if its Gaussians were split."""
        splats = self.field.deform(self.gaussians, z, sets)
        return draw(splats, self.full_view, mode=self.mode, background=torch.as_tensor(self.background), cull=False)

    @torch.inference_mode()
    def render(self, z: float, view: View | None = None, *, blur_px: float = 0.0) -> Float[Tensor, "h w"]:
        """Image at ``z`` without gradients, through ``view``."""
        splats = self.field.deform(self.gaussians, z)
        background = torch.as_tensor(self.background)
        chosen = view or self.full_view
        return draw(splats, chosen, mode=self.mode, background=background, blur_px=blur_px, cull=view is not None)
