"""What is learned from slices: a field of 3D Gaussians, and of every slice its motion, brightness and weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.gaussians.lattice import SCALE
from napari_emgauss.slices.bias import N_BIAS_TERMS

PER_SLICE: dict[str, tuple[int, ...]] = {"motion": (6,), "gain": (), "slice_weight": ()}
"""What is known of every slice, by name, with its shape."""


class SliceModel(nn.Module):
    """Gaussians in the frame of the reconstruction (mm), and S slices that show them.

    Attributes
    ----------
    gaussians
        The field.
    motion
        (S, 6) in that frame, float64, beyond where the slices' stacks were placed.
    gain
        (S,) brightness of a slice by that of the field.
    slice_weight
        (S,) from 0 to 1.
    bias
        (stacks, 9) smooth fields of brightness, in that frame; see `napari_emgauss.slices.bias`.
    """

    motion: Tensor
    gain: Tensor
    slice_weight: Tensor
    bias: Tensor

    def __init__(self, n_slices: int, n_stacks: int) -> None:
        super().__init__()
        self.gaussians = SolidGaussians.round(torch.zeros(0, 3), 1.0, torch.zeros(0))
        self.register_buffer("motion", torch.zeros(n_slices, 6, dtype=torch.float64))
        self.register_buffer("gain", torch.ones(n_slices, dtype=torch.float64))
        self.register_buffer("slice_weight", torch.ones(n_slices, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(n_stacks, N_BIAS_TERMS, dtype=torch.float64))
        self.requires_grad_(requires_grad=False)

    @property
    def spacing_mm(self) -> float:
        """Distance between Gaussians; 0 before there are any."""
        return float(torch.exp(self.gaussians.log_scale[0, 0].double())) / SCALE if len(self.gaussians) else 0.0
