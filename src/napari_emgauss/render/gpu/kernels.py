"""Triton kernels that draw weighted sums of Gaussians tile by tile, and sum over the box of each.

`sums` says what is computed; here is how a Gaussian is evaluated. With d = (dy, dx) from the mean and the conic
(a, b, c), ½ dᵀΣ⁻¹d = ½ (det / c) dy² + ½ c u² with u = dx + (b / c) dy, as in ``ellipses``: nothing cancels in the sum
of two squares, but u is itself a small difference of large numbers for Gaussians that are long and tilted. Only
`measure`, once per Gaussian, uses float64 (which most GPUs have at a small part of their speed). It leaves a record
of float32 numbers, from which pixels follow in float32 to its full precision:

    0, 1   the mean (y, x), rounded to whole pixels: k = y - record[0] is exact
    2      what rounding took from y
    3, 4   b / c as a sum of two; the first has 12 binary digits, so that its product with k is exact, too
    5      u of the rounded mean, without its b / c times k
    6, 7   ½ det / c and ½ c, times log2(e): exponentials are powers of two
    8-12   the box of pixels (y0, y1, x0, x1), half-open and empty if nothing is drawn, and the image
"""

# ruff: noqa: E402 - triton must be loaded by load_triton.
from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from napari_emgauss.render import rules
from napari_emgauss.runtime.triton import load_triton

load_triton()

import torch
import triton
import triton.language as tl

CUTOFF = tl.constexpr(math.log2(255.0))
"""Of the exponent to the base of two."""
HALF_LOG2_E = tl.constexpr(0.5 * math.log2(math.e))
SQUARES = tl.constexpr(2 * math.log(2.0))
"""Makes det / c of record[6], and c of record[7]."""
REACH = tl.constexpr(2 * rules.CUTOFF_EXPONENT)
POSITION_LIMIT_PX = tl.constexpr(rules.POSITION_LIMIT_PX)
RECORD = tl.constexpr(16)
"""Numbers per record; what pixels follow from is in one half, and in one sector of the GPU's memory."""
BOX = tl.constexpr(8)
NOWHERE = tl.constexpr(1e15)
"""Record[5] of what is not drawn: beyond the cut-off everywhere."""


class TiledKernel:
    """A kernel that is compiled for the arguments in capitals, which come last, and started without looking at others.

    Their types must therefore always be the same; what changes from step to step never compiles anew. Starting takes
    half the time that triton takes, which looks at every argument.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        names = list(inspect.signature(function).parameters)
        self._n_free = sum(not name.isupper() for name in names)
        self._jit = triton.jit(function, do_not_specialize=names[: self._n_free])
        self._compiled: dict[tuple[Any, ...], Any] = {}
        self.interpreted = not isinstance(self._jit, triton.JITFunction)

    def __call__(self, grid: tuple[int, int], *arguments: Any, warps: int = 4) -> None:
        """Start (grid[0], grid[1]) programs on the current device."""
        if self.interpreted:
            self._jit[grid](*arguments)
            return
        key = torch.cuda.current_device(), warps, arguments[self._n_free :]
        compiled = self._compiled.get(key)
        if compiled is None:
            self._compiled[key] = self._jit[grid](*arguments, num_warps=warps)
        else:
            compiled[(*grid, 1)](*arguments)


def _part(function: Callable[..., Any]) -> Any:
    """Make a function that kernels call; interpreted, it is one already, and calls are quicker."""
    compiled = triton.jit(function)
    return compiled if isinstance(compiled, triton.JITFunction) else function


@TiledKernel
def measure(
    means: tl.tensor,
    conics: tl.tensor,
    firsts: tl.tensor,
    n: tl.tensor,
    n_images: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    records: tl.tensor,
    n_tiles: tl.tensor,
    TILE_H: tl.constexpr,
    TILE_W: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Write the record of each Gaussian, and the number of its tiles.

    Gaussians of image j are those from ``firsts[j]`` on.
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = i < n
    mean_y, mean_x = tl.load(means + 2 * i, mask=real, other=0.0), tl.load(means + 2 * i + 1, mask=real, other=0.0)
    a = tl.load(conics + 3 * i, mask=real, other=1.0).to(tl.float64)
    b = tl.load(conics + 3 * i + 1, mask=real, other=0.0).to(tl.float64)
    c = tl.load(conics + 3 * i + 2, mask=real, other=1.0).to(tl.float64)
    image = tl.zeros([BLOCK], tl.int32)
    for j in range(1, n_images):
        image += (i >= tl.load(firsts + j)).to(tl.int32)
    det = a * c - b * b
    drawn = (det > 0) & (c > 0) & (a < float("inf")) & (c < float("inf"))
    drawn = drawn & (tl.abs(mean_y) < POSITION_LIMIT_PX) & (tl.abs(mean_x) < POSITION_LIMIT_PX)
    # Replaced, so that what is not drawn stays finite.
    a, b, c, det = tl.where(drawn, a, 1.0), tl.where(drawn, b, 0.0), tl.where(drawn, c, 1.0), tl.where(drawn, det, 1.0)
    mean_y, mean_x = tl.where(drawn, mean_y, 0.0), tl.where(drawn, mean_x, 0.0)
    whole_y, whole_x = tl.floor(mean_y + 0.5), tl.floor(mean_x + 0.5)
    rest_y, shear = mean_y - whole_y, b / c
    short = shear.to(tl.float32)
    short = (short.to(tl.int32, bitcast=True) & -4096).to(tl.float32, bitcast=True)
    u = -(mean_x - whole_x).to(tl.float64) - shear * rest_y.to(tl.float64)
    record = records + i * RECORD
    tl.store(record, whole_y, mask=real)
    tl.store(record + 1, whole_x, mask=real)
    tl.store(record + 2, rest_y, mask=real)
    tl.store(record + 3, short, mask=real)
    tl.store(record + 4, (shear - short.to(tl.float64)).to(tl.float32), mask=real)
    tl.store(record + 5, tl.where(drawn, u.to(tl.float32), NOWHERE), mask=real)
    tl.store(record + 6, (det / c * HALF_LOG2_E).to(tl.float32), mask=real)
    tl.store(record + 7, (c * HALF_LOG2_E).to(tl.float32), mask=real)
    y, x = mean_y.to(tl.float64), mean_x.to(tl.float64)
    half_y, half_x = tl.sqrt(c / det * REACH), tl.sqrt(a / det * REACH)
    y0, y1 = _span(y, half_y, height)
    x0, x1 = _span(x, half_x, width)
    seen = drawn & (y1 > y0) & (x1 > x0)
    y1, x1 = tl.where(seen, y1, y0), tl.where(seen, x1, x0)
    box = record + BOX
    tl.store(box, y0.to(tl.float32), mask=real)
    tl.store(box + 1, y1.to(tl.float32), mask=real)
    tl.store(box + 2, x0.to(tl.float32), mask=real)
    tl.store(box + 3, x1.to(tl.float32), mask=real)
    tl.store(box + 4, image.to(tl.float32), mask=real)
    rows, columns = (y1 - 1) // TILE_H - y0 // TILE_H + 1, (x1 - 1) // TILE_W - x0 // TILE_W + 1
    tl.store(n_tiles + i, tl.where(seen, rows.to(tl.int64) * columns, 0), mask=real)


@_part
def _span(centre: tl.tensor, half: tl.tensor, size: tl.tensor) -> tl.tensor:
    """Return the pixels within ``half`` of ``centre``, half-open, inside [0, size)."""
    first = tl.minimum(tl.maximum(tl.ceil(centre - half), 0.0), size.to(tl.float64))
    stop = tl.minimum(tl.maximum(tl.floor(centre + half) + 1.0, 0.0), size.to(tl.float64))
    return first.to(tl.int32), stop.to(tl.int32)


@TiledKernel
def enlist(
    records: tl.tensor,
    ends: tl.tensor,
    n: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    all_tiles: tl.tensor,
    slots: tl.tensor,
    steps: tl.tensor,
    tiles: tl.tensor,
    lists: tl.tensor,
    SHORT: tl.constexpr,
    TILE_H: tl.constexpr,
    TILE_W: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Write the tile and the Gaussian of each pair, in the order of Gaussians, and empty the ranges of all tiles.

    The pairs of Gaussian i end at ``ends[i]``; slots without a pair get a tile behind the last. ``tiles`` are int16 if
    SHORT. Of ``lists`` the first part, one per slot, becomes the Gaussians, and the last, after another one per slot,
    the ranges.
    """
    slot = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(lists + 2 * slots + slot, tl.zeros([BLOCK], tl.int32), mask=slot < 2 * all_tiles)
    filled = (slot < tl.load(ends + (n - 1))) & (slot < slots)
    low = tl.zeros([BLOCK], tl.int32)
    high = low + (n - 1)
    for _ in range(steps):
        middle = (low + high) // 2
        before = tl.load(ends + middle, mask=filled, other=0) <= slot
        low, high = tl.where(before, tl.minimum(middle + 1, high), low), tl.where(before, high, middle)
    rank = slot - tl.load(ends + low - 1, mask=filled & (low > 0), other=0).to(tl.int32)
    box = records + low * RECORD + BOX
    y0 = tl.load(box, mask=filled, other=0.0).to(tl.int32) // TILE_H
    x0 = tl.load(box + 2, mask=filled, other=0.0).to(tl.int32) // TILE_W
    wide = (tl.load(box + 3, mask=filled, other=1.0).to(tl.int32) - 1) // TILE_W - x0 + 1
    image = tl.load(box + 4, mask=filled, other=0.0).to(tl.int32)
    tile = tl.where(filled, (image * rows + y0 + rank // wide) * columns + x0 + rank % wide, all_tiles)
    tl.store(tiles + slot, tile.to(tl.int16 if SHORT else tl.int32), mask=slot < slots)
    tl.store(lists + slot, tl.where(filled, low, 0), mask=slot < slots)


@TiledKernel
def arrange(
    tiles: tl.tensor,
    order: tl.tensor,
    all_tiles: tl.tensor,
    slots: tl.tensor,
    lists: tl.tensor,
    SHORT: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Write the Gaussians of sorted pairs to the second part of ``lists``, and the ranges of tiles that have any."""
    slot = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = slot < slots
    owner = tl.load(lists + tl.load(order + slot, mask=real, other=0), mask=real)
    tl.store(lists + slots + slot, owner, mask=real)
    ranges = lists + 2 * slots
    tile = tl.load(tiles + slot, mask=real, other=0).to(tl.int32)
    before = tl.load(tiles + slot - 1, mask=real & (slot > 0), other=-1).to(tl.int32)
    new = real & (tile != before)
    tl.store(ranges + 2 * tile, slot, mask=new & (tile < all_tiles))
    tl.store(ranges + 2 * before + 1, slot, mask=new & (before >= 0))
    tl.store(ranges + 2 * tile + 1, slot + 1, mask=(slot == slots - 1) & (tile < all_tiles))


@_part
def _exponent(record: tl.tensor, y: tl.tensor, x: tl.tensor) -> tl.tensor:
    """Return the exponent to the base of two, negated, at pixels (y, x), and there dy and u."""
    k = y - tl.load(record)
    dy = k - tl.load(record + 2)
    u = ((x - tl.load(record + 1)) + tl.load(record + 3) * k) + (tl.load(record + 4) * k + tl.load(record + 5))
    return tl.load(record + 6) * dy * dy + tl.load(record + 7) * u * u, dy, u


@TiledKernel
def draw(
    records: tl.tensor,
    values: tl.tensor,
    lists: tl.tensor,
    ends: tl.tensor,
    firsts: tl.tensor,
    n: tl.tensor,
    slots: tl.tensor,
    n_channels: tl.tensor,
    n_images: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    images: tl.tensor,
    CHANGES: tl.constexpr,
    TILE_H: tl.constexpr,
    TILE_W: tl.constexpr,
    UNROLL: tl.constexpr,
) -> None:
    """Draw one channel of a tile: each Gaussian times its value, or with CHANGES times a polynomial of p and q.

    Where the pairs outgrew their slots, all Gaussians of the image are gone through: the same sums in the same order.
    """
    tile, channel = tl.program_id(0), tl.program_id(1)
    image = tile // (rows * columns)
    pixel = tl.arange(0, TILE_H * TILE_W)
    # Down the columns: the pixels of a thread, 32 or a multiple apart, then share a row, and what is computed of it.
    row = (tile // columns) % rows * TILE_H + pixel % TILE_H
    column = tile % columns * TILE_W + pixel // TILE_H
    y, x = row.to(tl.float32), column.to(tl.float32)
    listed = tl.load(ends + (n - 1)) <= slots
    several = n_images > 1
    first = tl.load(firsts + image, mask=several, other=0)
    last = tl.load(firsts + image + 1, mask=several, other=0)
    ranges = lists + 2 * slots + 2 * tile
    first = tl.where(listed, tl.load(ranges), first)
    last = tl.where(listed, tl.load(ranges + 1), tl.where(several, last, n))
    total = tl.zeros([TILE_H * TILE_W], tl.float32)
    for p0 in range(first, last, UNROLL):
        for j in tl.static_range(UNROLL):
            p = p0 + j
            there = p < last
            i = tl.where(there, p, 0)
            i = tl.load(lists + slots + i, mask=listed, other=i)
            exponent, dy, u = _exponent(records + i * RECORD, y, x)
            if CHANGES:
                record, a = records + i * RECORD, values + 6 * i
                p_ = tl.sqrt(tl.load(record + 6) * SQUARES) * dy
                q_ = tl.sqrt(tl.load(record + 7) * SQUARES) * u
                a3, a4 = tl.load(a + 3, mask=there, other=0.0), tl.load(a + 4, mask=there, other=0.0)
                value = tl.load(a, mask=there, other=0.0) - 0.5 * (a3 + a4)
                value += p_ * (tl.load(a + 1, mask=there, other=0.0) + a3 * p_)
                value += q_ * (tl.load(a + 2, mask=there, other=0.0) + a4 * q_)
                value += tl.load(a + 5, mask=there, other=0.0) * p_ * q_
            else:
                value = tl.load(values + i * n_channels + channel, mask=there, other=0.0)
            total += tl.where(exponent <= CUTOFF, value * tl.exp2(-exponent), 0.0)
    place = ((image.to(tl.int64) * height + row) * width + column) * n_channels + channel
    tl.store(images + place, total, mask=(row < height) & (column < width))


@TiledKernel
def collect(
    records: tl.tensor,
    conics: tl.tensor,
    weights: tl.tensor,
    images: tl.tensor,
    n: tl.tensor,
    n_channels: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    grad_means: tl.tensor,
    grad_conics: tl.tensor,
    grad_weights: tl.tensor,
    CHANGES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """Sum one channel of ``images`` over the pixels of a Gaussian: gradients, or with CHANGES products (see `Tangent`).

    Products go to ``grad_means`` (n, 6); the arguments behind it are not used then.
    """
    i, channel = tl.program_id(0), tl.program_id(1)
    record = records + i * RECORD
    y0, y1 = tl.load(record + BOX).to(tl.int32), tl.load(record + BOX + 1).to(tl.int32)
    left_end, right_end = tl.load(record + BOX + 2), tl.load(record + BOX + 3)
    whole_y, whole_x, shear = tl.load(record), tl.load(record + 1), tl.load(record + 3) + tl.load(record + 4)
    depth, half_c = tl.load(record + 6), tl.load(record + 7)
    seen = images + tl.load(record + BOX + 4).to(tl.int64) * height * width * n_channels + channel
    pixel = tl.arange(0, ROWS * COLUMNS)
    s = tl.zeros([ROWS * COLUMNS], tl.float32)
    s_u, s_y, s_yy, s_yz, s_zz = s, s, s, s, s
    half = tl.sqrt((1 / half_c) * CUTOFF)
    for top in range(y0, y1, ROWS):
        # Columns that the ellipse covers somewhere in these rows, with room for rounding.
        k0, k1 = top - whole_y, tl.minimum(top + ROWS, y1) - 1 - whole_y
        ridge0, ridge1 = -shear * k0 - tl.load(record + 5), -shear * k1 - tl.load(record + 5)
        room = half + 1 + 1e-6 * (tl.abs(whole_x) + tl.abs(ridge0) + tl.abs(ridge1) + half)
        left = whole_x + tl.minimum(ridge0, ridge1) - room
        right = whole_x + tl.maximum(ridge0, ridge1) + room + 1
        left = tl.minimum(tl.maximum(left, left_end), right_end).to(tl.int32)
        right = tl.minimum(tl.maximum(right, left_end), right_end).to(tl.int32)
        for start in range(left, right, COLUMNS):
            row, column = top + pixel % ROWS, start + pixel // ROWS
            exponent, dy, u = _exponent(record, row.to(tl.float32), column.to(tl.float32))
            inside = (row < y1) & (column < right_end) & (exponent <= CUTOFF)
            value = tl.load(seen + (row * width + column) * n_channels, mask=inside, other=0.0)
            v = tl.where(inside, value * tl.exp2(-exponent), 0.0)
            z = u if CHANGES else u - shear * dy
            s += v
            s_u += v * u
            s_y += v * dy
            s_yy += v * dy * dy
            s_yz += v * dy * z
            s_zz += v * z * z
    total, total_u, total_y = tl.sum(s), tl.sum(s_u), tl.sum(s_y)
    total_yy, total_yz, total_zz = tl.sum(s_yy), tl.sum(s_yz), tl.sum(s_zz)
    if CHANGES:
        out = grad_means + 6 * i
        per_y, per_u = tl.sqrt(depth * SQUARES), tl.sqrt(half_c * SQUARES)
        tl.store(out, total)
        tl.store(out + 1, per_y * total_y)
        tl.store(out + 2, per_u * total_u)
        tl.store(out + 3, per_y * per_y * total_yy - 0.5 * total)
        tl.store(out + 4, per_u * per_u * total_zz - 0.5 * total)
        tl.store(out + 5, per_y * per_u * total_yz)
    else:
        drawn = y1 > y0
        b = tl.load(conics + 3 * i + 1, mask=drawn, other=0.0)
        w = tl.load(weights + i * n_channels + channel, mask=drawn, other=0.0)
        place = channel * n + i
        tl.store(grad_means + 2 * place, w * (depth * SQUARES * total_y + b * total_u))
        tl.store(grad_means + 2 * place + 1, w * (half_c * SQUARES * total_u))
        tl.store(grad_conics + 3 * place, -0.5 * w * total_yy)
        tl.store(grad_conics + 3 * place + 1, -w * total_yz)
        tl.store(grad_conics + 3 * place + 2, -0.5 * w * total_zz)
        tl.store(grad_weights + i * n_channels + channel, total)


INTERPRETED = draw.interpreted
"""Whether TRITON_INTERPRET was set: kernels then run on the CPU, very slowly, for tests."""
