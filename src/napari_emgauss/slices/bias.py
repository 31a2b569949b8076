"""Smooth fields of brightness of stacks, as coils add them: fixed in space while what is scanned moves.

The logarithm of a field is a quadratic polynomial of the place, without a constant: every slice has a gain of its own.
"""

from __future__ import annotations

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.slices.affine import transform

N_BIAS_TERMS = 9
LARGEST_LOG = 1.0
"""Fields stay within exp(±1), wherever they are asked for."""


def bias_terms(affine: AnyArray, shape: tuple[int, int]) -> AnyArray:
    """Return the terms (h, w, 9) of a field on a slice: x, y, z, x², y², z², xy, xz, yz in mm.

    Parameters
    ----------
    affine
        4 × 4; maps (0, row, column) to millimetres.
    shape
        Rows and columns.
    """
    rows, columns = np.meshgrid(*map(np.arange, shape), indexing="ij")
    x, y, z = np.moveaxis(transform(affine, np.stack([np.zeros_like(rows), rows, columns], -1)), -1, 0)
    return np.stack([x, y, z, x * x, y * y, z * z, x * y, x * z, y * z], -1)


def bias_field(affine: AnyArray, shape: tuple[int, int], coefficients: AnyArray) -> FloatArray:
    """Return the field (h, w) that a slice is multiplied by, for coefficients (9,) of the terms."""
    logarithm = bias_terms(affine, shape) @ np.asarray(coefficients, np.float64)
    return np.asarray(np.exp(np.clip(logarithm, -LARGEST_LOG, LARGEST_LOG)), np.float32)
