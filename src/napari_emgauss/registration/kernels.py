"""Compiled kernels: a volume seen through slice profiles, and how that changes with the pose of a slice.

A *place* (3, 4) maps (row, column, 1) of a slice to an index of the volume, in its first three columns; nodes are the
profile's, as offsets of an index. Outside the volume everything is zero.
"""

from __future__ import annotations

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.runtime.jit import njit_nogil

N_COLUMNS = 8
"""Of a Gram matrix: derivatives by rotation (3) and translation (3), the prediction, the measurement."""


@njit_nogil
def predict(
    volume: FloatArray,
    place: AnyArray,
    nodes: AnyArray,
    weights: AnyArray,
    rows: AnyArray,
    columns: AnyArray,
    out: FloatArray,
) -> None:
    """Write what pixels of a slice are predicted to be."""
    n_z, n_y, n_x = volume.shape
    for p in range(rows.size):
        r, c = rows[p], columns[p]
        z0 = place[0, 0] * r + place[0, 1] * c + place[0, 2]
        y0 = place[1, 0] * r + place[1, 1] * c + place[1, 2]
        x0 = place[2, 0] * r + place[2, 1] * c + place[2, 2]
        total = 0.0
        for m in range(weights.size):
            z, y, x = z0 + nodes[m, 0], y0 + nodes[m, 1], x0 + nodes[m, 2]
            if z < 0 or y < 0 or x < 0:
                continue
            k, j, i = int(z), int(y), int(x)
            if k >= n_z - 1 or j >= n_y - 1 or i >= n_x - 1:
                continue
            fz, fy, fx = z - k, y - j, x - i
            low = (1 - fy) * ((1 - fx) * volume[k, j, i] + fx * volume[k, j, i + 1]) + fy * (
                (1 - fx) * volume[k, j + 1, i] + fx * volume[k, j + 1, i + 1]
            )
            high = (1 - fy) * ((1 - fx) * volume[k + 1, j, i] + fx * volume[k + 1, j, i + 1]) + fy * (
                (1 - fx) * volume[k + 1, j + 1, i] + fx * volume[k + 1, j + 1, i + 1]
            )
            total += weights[m] * ((1 - fz) * low + fz * high)
        out[p] = total


@njit_nogil
def scatter(
    volume: FloatArray,
    place: AnyArray,
    nodes: AnyArray,
    weights: AnyArray,
    rows: AnyArray,
    columns: AnyArray,
    values: FloatArray,
) -> None:
    """Add pixels to a volume: the adjoint of `predict`."""
    n_z, n_y, n_x = volume.shape
    for p in range(rows.size):
        r, c = rows[p], columns[p]
        z0 = place[0, 0] * r + place[0, 1] * c + place[0, 2]
        y0 = place[1, 0] * r + place[1, 1] * c + place[1, 2]
        x0 = place[2, 0] * r + place[2, 1] * c + place[2, 2]
        for m in range(weights.size):
            z, y, x = z0 + nodes[m, 0], y0 + nodes[m, 1], x0 + nodes[m, 2]
            if z < 0 or y < 0 or x < 0:
                continue
            k, j, i = int(z), int(y), int(x)
            if k >= n_z - 1 or j >= n_y - 1 or i >= n_x - 1:
                continue
            value = weights[m] * values[p]
            fz, fy, fx = z - k, y - j, x - i
            low, high = (1 - fz) * value, fz * value
            a, b, c2, d = (1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx
            volume[k, j, i] += low * a
            volume[k, j, i + 1] += low * b
            volume[k, j + 1, i] += low * c2
            volume[k, j + 1, i + 1] += low * d
            volume[k + 1, j, i] += high * a
            volume[k + 1, j, i + 1] += high * b
            volume[k + 1, j + 1, i] += high * c2
            volume[k + 1, j + 1, i + 1] += high * d


@njit_nogil
def gram(
    volume: FloatArray,
    place: AnyArray,
    nodes: AnyArray,
    weights: AnyArray,
    rows: AnyArray,
    columns: AnyArray,
    values: FloatArray,
    arm: AnyArray,
    node_arms: AnyArray,
    to_index: AnyArray,
    out: AnyArray,
) -> None:
    """Add the inner products (8, 8) of the derivatives by the pose, the prediction and the measurement.

    ``arm`` (3, 3) maps (row, column, 1) to R (x − c) in mm, ``node_arms`` (m, 3) are the profile's offsets in mm,
    turned along; ``to_index`` (3, 3) maps mm to indices. Derivatives are by a rotation vector, applied after the pose
    and about the moved pivot, and by a translation. Only the upper triangle is filled.
    """
    n_z, n_y, n_x = volume.shape
    row = np.zeros(N_COLUMNS)
    for p in range(rows.size):
        r, c = rows[p], columns[p]
        z0 = place[0, 0] * r + place[0, 1] * c + place[0, 2]
        y0 = place[1, 0] * r + place[1, 1] * c + place[1, 2]
        x0 = place[2, 0] * r + place[2, 1] * c + place[2, 2]
        a0 = arm[0, 0] * r + arm[0, 1] * c + arm[0, 2]
        a1 = arm[1, 0] * r + arm[1, 1] * c + arm[1, 2]
        a2 = arm[2, 0] * r + arm[2, 1] * c + arm[2, 2]
        row[:] = 0.0
        for m in range(weights.size):
            z, y, x = z0 + nodes[m, 0], y0 + nodes[m, 1], x0 + nodes[m, 2]
            if z < 0 or y < 0 or x < 0:
                continue
            k, j, i = int(z), int(y), int(x)
            if k >= n_z - 1 or j >= n_y - 1 or i >= n_x - 1:
                continue
            fz, fy, fx = z - k, y - j, x - i
            v000, v001 = volume[k, j, i], volume[k, j, i + 1]
            v010, v011 = volume[k, j + 1, i], volume[k, j + 1, i + 1]
            v100, v101 = volume[k + 1, j, i], volume[k + 1, j, i + 1]
            v110, v111 = volume[k + 1, j + 1, i], volume[k + 1, j + 1, i + 1]
            e00, e01 = v000 + fx * (v001 - v000), v010 + fx * (v011 - v010)
            e10, e11 = v100 + fx * (v101 - v100), v110 + fx * (v111 - v110)
            low, high = e00 + fy * (e01 - e00), e10 + fy * (e11 - e10)
            g_z = high - low
            g_y = (1 - fz) * (e01 - e00) + fz * (e11 - e10)
            g_x = (1 - fz) * ((1 - fy) * (v001 - v000) + fy * (v011 - v010)) + fz * (
                (1 - fy) * (v101 - v100) + fy * (v111 - v110)
            )
            w = weights[m]
            g0 = w * (to_index[0, 0] * g_z + to_index[1, 0] * g_y + to_index[2, 0] * g_x)
            g1 = w * (to_index[0, 1] * g_z + to_index[1, 1] * g_y + to_index[2, 1] * g_x)
            g2 = w * (to_index[0, 2] * g_z + to_index[1, 2] * g_y + to_index[2, 2] * g_x)
            b0, b1, b2 = a0 + node_arms[m, 0], a1 + node_arms[m, 1], a2 + node_arms[m, 2]
            row[0] += b1 * g2 - b2 * g1
            row[1] += b2 * g0 - b0 * g2
            row[2] += b0 * g1 - b1 * g0
            row[3] += g0
            row[4] += g1
            row[5] += g2
            row[6] += w * (low + fz * (high - low))
        row[7] = values[p]
        for first in range(8):
            for second in range(first, 8):
                out[first, second] += row[first] * row[second]
