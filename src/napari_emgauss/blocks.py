"""Overlapping pieces of a stack that cross-fade: bundles of sections along z, tiles within a section."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray, Region
from napari_emgauss.errors import ConfigError

MOST_BLOCKS = 1_000_000
Span = tuple[int, int]
"""Half-open range of indices."""


def spans(n: int, length: int, overlap: int) -> list[Span]:
    """Cut ``range(n)`` into equal spans of at most ``length`` that overlap by at least ``overlap``.

    Raises
    ------
    ConfigError
        ``overlap`` is below 1, or ``length`` not more than twice ``overlap``: three spans would meet at one place.
    """
    count = n_spans(n, length, overlap)
    if count == 1:
        return [(0, n)]
    starts = np.linspace(0, n - length, count).round().astype(int)
    return [(int(s), int(s) + length) for s in starts]


def n_spans(n: int, length: int, overlap: int) -> int:
    """Return how many `spans` there are; raises `ConfigError` as they do."""
    if overlap < 1:
        raise ConfigError(f"blocks must overlap by at least 1, got {overlap}: nothing would lie between them.")
    if length <= 2 * overlap:
        raise ConfigError(f"a block must be longer than twice its overlap, got length {length} and overlap {overlap}.")
    return 1 if n <= length else math.ceil((n - overlap) / (length - overlap))


def fade(all_spans: Sequence[Span], index: int, position: AnyArray | float) -> FloatArray:
    """Weight of span ``index`` at ``position``: 1 inside, linear across each overlap; all spans' weights sum to 1.

    Positions are coordinates of samples; a span (a, b) holds the samples a .. b - 1.
    """
    # Spans that are little longer than twice their overlap can meet in threes, hence the division.
    near = range(max(index - 2, 0), min(index + 3, len(all_spans)))
    total = np.sum([_trapezium(all_spans, other, position) for other in near], axis=0)
    weight = _trapezium(all_spans, index, position)
    return np.asarray(weight / np.where(weight > 0, total, 1), np.float32)


def _trapezium(all_spans: Sequence[Span], index: int, position: AnyArray | float) -> FloatArray | np.float32:
    """1 inside span ``index``, falling to 0 across its overlaps, 0 outside."""
    start, stop = all_spans[index]
    weight = np.ones_like(np.asarray(position, np.float32))
    if index > 0:
        weight = np.minimum(weight, _ramp(position, start, all_spans[index - 1][1] - 1))
    if index + 1 < len(all_spans):
        weight = np.minimum(weight, 1 - _ramp(position, all_spans[index + 1][0], stop - 1))
    return weight


def _ramp(position: AnyArray | float, first: int, last: int) -> FloatArray | np.float32:
    """0 at ``first``, 1 at ``last``, clipped outside; a step where they coincide."""
    p = np.asarray(position, np.float32)
    if last <= first:
        return (p >= first).astype(np.float32)
    return np.clip((p - first) / (last - first), 0, 1)


def observed_coordinate(observed: Sequence[int], z: float) -> float:
    """Return section coordinate ``z`` counted in the sections ``observed``, piecewise linearly."""
    i = min(max(bisect.bisect_right(observed, z) - 1, 0), len(observed) - 2)
    return i + (z - observed[i]) / (observed[i + 1] - observed[i])


@dataclass(frozen=True)
class Block:
    """One piece: indices into the three lists of spans of its plan."""

    z: int
    y: int
    x: int


@dataclass(frozen=True)
class Plan:
    """Division of a stack into blocks; block i is ``plan.blocks[i]``.

    Attributes
    ----------
    z, y, x
        Spans along each axis; z counts observed sections.
    """

    z: tuple[Span, ...]
    y: tuple[Span, ...]
    x: tuple[Span, ...]

    @classmethod
    def of(
        cls,
        shape: tuple[int, int, int],
        *,
        bundle_sections: int,
        bundle_overlap: int,
        tile_px: int,
        tile_overlap_px: int,
    ) -> Plan:
        """Plan for ``shape`` (observed sections, Y, X)."""
        n, height, width = shape
        lengths = ((n, bundle_sections, bundle_overlap), (height, tile_px, tile_overlap_px))
        n_blocks = math.prod(n_spans(*axis) for axis in (*lengths, (width, tile_px, tile_overlap_px)))
        if n_blocks > MOST_BLOCKS:
            raise ConfigError(
                f"a stack of shape {shape} would be cut into {n_blocks:,} blocks; at most {MOST_BLOCKS:,} can be "
                "planned. Use larger tiles (tile_px), or a part of the stack."
            )
        return cls(
            tuple(spans(n, bundle_sections, bundle_overlap)),
            tuple(spans(height, tile_px, tile_overlap_px)),
            tuple(spans(width, tile_px, tile_overlap_px)),
        )

    @property
    def blocks(self) -> list[Block]:
        """All blocks, bundles first."""
        return [Block(z, y, x) for z in range(len(self.z)) for y in range(len(self.y)) for x in range(len(self.x))]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (observed sections, Y, X) of what is cut."""
        return self.z[-1][1], self.y[-1][1], self.x[-1][1]

    def blocks_at(self, z: float | Sequence[float], region: Region | None = None) -> Iterator[tuple[int, Block]]:
        """Yield index and block of all that have weight at ``z``, one or several, and share pixels with ``region``.

        Parameters
        ----------
        z
            Observed-section coordinates.
        region
            Pixels (y0, y1, x0, x1), half-open; everything by default.
        """
        y0, y1, x0, x1 = region or (0, self.shape[1], 0, self.shape[2])
        zs = [z] if isinstance(z, int | float) else z
        tiles = [
            (y, x)
            for y, (top, bottom) in enumerate(self.y)
            for x, (left, right) in enumerate(self.x)
            if top < y1 and y0 < bottom and left < x1 and x0 < right
        ]
        for bundle in range(len(self.z)):
            if any(self.weight_z(Block(bundle, 0, 0), position) > 0 for position in zs):
                for y, x in tiles:
                    yield (bundle * len(self.y) + y) * len(self.x) + x, Block(bundle, y, x)

    def region(self, block: Block) -> Region:
        """The block's pixels (y0, y1, x0, x1)."""
        return (*self.y[block.y], *self.x[block.x])

    def weight_z(self, block: Block, z: float) -> float:
        """Weight of the block's bundle at observed-section coordinate ``z``; 0 outside it."""
        start, stop = self.z[block.z]
        return float(fade(self.z, block.z, z)) if start <= z <= stop - 1 else 0.0

    def weight_yx(self, block: Block, y: AnyArray, x: AnyArray) -> FloatArray:
        """Weights (len(y), len(x)) of the block's tile at pixel coordinates inside it."""
        return np.outer(fade(self.y, block.y, y), fade(self.x, block.x, x))
