"""Boxes of a volume, and the grid of shards that it is cut into."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

Size = tuple[int, int, int]
"""Numbers of voxels (z, y, x)."""
CHUNK: Size = (32, 128, 128)
SHARD: Size = (128, 384, 384)
"""Voxels that are packed together, and that one file holds: a shard is written, and held in memory, at once."""


@dataclass(frozen=True, order=True)
class Box:
    """Voxels ``start`` to ``stop`` (z, y, x), half-open."""

    start: Size
    stop: Size

    @property
    def shape(self) -> Size:
        """Number of voxels (z, y, x)."""
        z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index of an array."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    def within(self, outer: Box) -> tuple[slice, slice, slice]:
        """Return the box as an index of an array that holds ``outer``."""
        pairs = zip(self.start, self.stop, outer.start, strict=True)
        z, y, x = (slice(a - o, b - o) for a, b, o in pairs)
        return z, y, x

    def __str__(self) -> str:
        return " × ".join(f"{a}..{b - 1}" for a, b in zip(self.start, self.stop, strict=True))


@dataclass(frozen=True)
class ShardGrid:
    """The shards of one level.

    Attributes
    ----------
    shape
        Of the level.
    shard
        Of every shard; the last ones reach beyond the level.
    """

    shape: Size
    shard: Size

    @property
    def counts(self) -> Size:
        """Number of shards (z, y, x)."""
        z, y, x = (math.ceil(n / s) for n, s in zip(self.shape, self.shard, strict=True))
        return z, y, x

    def boxes(self) -> list[Box]:
        """Return the voxels of every shard, in order."""
        return [self.box((z, y, x)) for z, y, x in product(*map(range, self.counts))]

    def box(self, place: Size) -> Box:
        """Return the voxels of the shard at ``place``, cut to the level."""
        return self.cut(tuple(p * s for p, s in zip(place, self.shard, strict=True)))

    def cut(self, start: tuple[int, ...]) -> Box:
        """Return the shard that begins at ``start``, cut to the level."""
        stop = [min(a + s, n) for a, s, n in zip(start, self.shard, self.shape, strict=True)]
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def places(self, box: Box) -> list[Size]:
        """Return the shards that make up ``box``.

        Raises
        ------
        ValueError
            It does not consist of whole shards.
        """
        sides = list(zip(box.start, box.stop, self.shard, self.shape, strict=True))
        if not all(0 <= a < b <= n and a % s == 0 and (b % s == 0 or b == n) for a, b, s, n in sides):
            raise ValueError(
                f"a box must consist of whole shards of {self.shard} voxels within {self.shape}, got {box}. "
                "Take boxes of the volume's `boxes`, or unions of them."
            )
        return [(z, y, x) for z, y, x in product(*(range(a // s, math.ceil(b / s)) for a, b, s, _ in sides))]


def plan_shards(shape: Size, *, chunk: Size = CHUNK, shard: Size = SHARD) -> tuple[Size, Size]:
    """Return the chunks and shards of a level of this shape: those wanted, but no larger than the level needs.

    Raises
    ------
    ValueError
        A shard does not consist of whole chunks.
    """
    if min(chunk) < 1 or any(s < c or s % c for s, c in zip(shard, chunk, strict=True)):
        raise ValueError(f"a shard must consist of whole chunks, got shards of {shard} and chunks of {chunk} voxels.")
    fitting = [min(c, n) for c, n in zip(chunk, shape, strict=True)]
    filled = [c * math.ceil(min(s, n) / c) for c, s, n in zip(fitting, shard, shape, strict=True)]
    return (fitting[0], fitting[1], fitting[2]), (filled[0], filled[1], filled[2])
