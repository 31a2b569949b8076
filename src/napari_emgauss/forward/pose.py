"""Where a moved slice lies among the Gaussians, differentiable in its motion.

The convention of motion is that of `napari_emgauss.slices.motion`: a point x of a slice, as its header places it, was
in truth at R (x − c) + c + t, with the pivot c of the slice.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rotation_from_vector(vectors: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3 3"]:
    """Return the matrices of rotation vectors in radians: the direction is the axis, the length the angle."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, -1) for row in ([zero, -z, y], [z, zero, -x], [-y, x, zero])]
    rotation: Tensor = torch.linalg.matrix_exp(torch.stack(rows, -2))
    return rotation


def index_map(
    motion: Float[Tensor, "*n 6"], pivot: Float[Tensor, "*n 3"], affine: Float[Tensor, "*n 4 4"]
) -> tuple[Float[Tensor, "*n 3 3"], Float[Tensor, "*n 3"]]:
    """Return matrix and offset that map a place to its index (slice, row, column) in a moved slice.

    Parameters
    ----------
    motion
        Rotation vector in radians, translation in mm.
    pivot
        c, mm.
    affine
        Maps an index to millimetres, as the header has it.
    """
    back = rotation_from_vector(motion[..., :3]).transpose(-1, -2)
    to_index = torch.linalg.inv(affine)
    inverse, start = to_index[..., :3, :3], to_index[..., :3, 3]
    matrix = inverse @ back
    header = pivot - (back @ (pivot + motion[..., 3:])[..., None])[..., 0]
    return matrix, (inverse @ header[..., None])[..., 0] + start
