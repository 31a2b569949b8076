"""Super-resolution by conjugate gradients: min ‖W (A x − y)‖² + λ ‖D x‖²."""

from __future__ import annotations

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.slices import WorldVolume
from napari_emgauss.voxels.averaging import scattered
from napari_emgauss.voxels.operator import SliceOperator


def super_resolve(
    operator: SliceOperator,
    values: FloatArray,
    *,
    smoothness: float = 0.01,
    weights: AnyArray | None = None,
    iterations: int = 30,
    start: WorldVolume | None = None,
) -> WorldVolume:
    """Return the voxels whose slices are closest to those measured, and which are smooth.

    Parameters
    ----------
    operator
        A.
    values
        Measured pixels y (n,).
    smoothness
        λ, of the squared differences D x of neighbouring voxels.
    weights
        Of the squared residuals (n,): the square of W; 1 by default.
    iterations
        Of conjugate gradients.
    start
        Where they start, on the operator's grid; from the scattered pixels by default.
    """
    square = np.ones(len(values), np.float32) if weights is None else np.asarray(weights, np.float32)
    x = (scattered(operator, values, square) if start is None else start).values.copy()

    def normal(v: FloatArray) -> FloatArray:
        return np.asarray(operator.adjoint(square * operator.forward(v)) + smoothness * roughness_gradient(v))

    residual = operator.adjoint(square * values) - normal(x)
    # Voxels in whose reach many pixels lie are steeper than others.
    scale = 1 / (operator.adjoint(square) + 6 * smoothness + 1e-6)
    z = scale * residual
    direction, power = z, _dot(residual, z)
    for _ in range(iterations):
        if not power > 0:
            break
        image = normal(direction)
        length = power / _dot(direction, image)
        x += np.float32(length) * direction
        residual -= np.float32(length) * image
        z = scale * residual
        before, power = power, _dot(residual, z)
        direction = z + np.float32(power / before) * direction
    return WorldVolume(x, operator.grid.affine)


def _dot(first: FloatArray, second: FloatArray) -> float:
    return float(np.vdot(first.astype(np.float64), second))


def roughness_gradient(values: FloatArray) -> FloatArray:
    """Return Dᵀ D x: half the gradient of the summed squared differences of neighbours along the three axes."""
    out = np.zeros_like(values)
    for axis in range(3):
        step = np.diff(values, axis=axis)
        later = [slice(None)] * 3
        earlier = [slice(None)] * 3
        later[axis], earlier[axis] = slice(1, None), slice(None, -1)
        out[tuple(later)] += step
        out[tuple(earlier)] -= step
    return out
