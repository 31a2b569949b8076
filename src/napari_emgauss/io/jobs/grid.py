"""Where the blocks of a job lie in its stack: a small image of labels, to be laid over it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray, Triple
from napari_emgauss.io.jobs.description import Span
from napari_emgauss.io.jobs.status import BlockState

LABELS = {BlockState.WAITING: 1, BlockState.RUNNING: 2, BlockState.DONE: 3, BlockState.FAILED: 4}
"""Label of a block by its state; 0 lies between blocks."""
LEAST_SAMPLES, SAMPLES_PER_BLOCK = 128, 16
"""Samples along y and x."""
SAMPLES_PER_BUNDLE = 8
"""Samples along z."""
MOST_SAMPLES = 2**24
LEAST_FOR_A_GAP = 5
"""Blocks of fewer samples along an axis are not set apart."""


@dataclass(frozen=True, eq=False)
class BlockGrid:
    """The blocks of a job as boxes side by side, each up to the middle of what it shares with its neighbours.

    ::

        spans   ├───────────┤
                        ├───────────┤
        cells   ├─────────┼─────────┤

    Parameters
    ----------
    edges
        Where cells begin and end along z, y and x, in pixels of the stack: -0.5 is the outer edge of the first one.
    samples
        Shape of the image of labels (z, y, x).
    """

    edges: tuple[FloatArray, FloatArray, FloatArray]
    samples: tuple[int, int, int]

    @classmethod
    def of(
        cls, spans: Sequence[Sequence[Span]], shape: tuple[int, int, int], observed: Sequence[int] | None = None
    ) -> BlockGrid:
        """Return the grid of a plan of blocks.

        Parameters
        ----------
        spans
            Of the blocks along z, which counts observed sections, y and x.
        shape
            The stack's.
        observed
            Indices of the sections that z counts; all by default.

        Raises
        ------
        ValueError
            The plan is not of such a stack.
        """
        z, y, x = spans
        counted = np.arange(shape[0]) if observed is None else np.asarray(observed)
        if (z[-1][1], y[-1][1], x[-1][1]) != (len(counted), *shape[1:]):
            raise ValueError(
                f"the plan of blocks ends at {z[-1][1]}, {y[-1][1]}, {x[-1][1]}, but the stack has {len(counted)} "
                f"observed sections of {shape[1:]}. Open the stack that the job is of."
            )
        along_z = np.interp(_middles(z), np.arange(len(counted)), counted)
        inner = (along_z, _middles(y), _middles(x))
        edges = [np.array([-0.5, *middles, n - 0.5], np.float32) for middles, n in zip(inner, shape, strict=True)]
        counts, least = [len(axis) - 1 for axis in edges], (1, LEAST_SAMPLES, LEAST_SAMPLES)
        per_block = (SAMPLES_PER_BUNDLE, SAMPLES_PER_BLOCK, SAMPLES_PER_BLOCK)
        wanted = [
            min(max(count * each, low), n) for count, each, low, n in zip(counts, per_block, least, shape, strict=True)
        ]
        share = min(1.0, (MOST_SAMPLES / math.prod(wanted)) ** (1 / 3))
        a, b, c = (max(int(share * n), 1) for n in wanted)
        return cls((edges[0], edges[1], edges[2]), (a, b, c))

    def __len__(self) -> int:
        return math.prod(self.counts)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Blocks along z, y and x."""
        z, y, x = (len(axis) - 1 for axis in self.edges)
        return z, y, x

    def block_at(self, position: Sequence[float]) -> int | None:
        """Return the block at a pixel (z, y, x) of the stack, which may lie between pixels; None outside."""
        cell = [int(np.searchsorted(axis, p, "right")) - 1 for axis, p in zip(self.edges, position, strict=True)]
        if not all(0 <= i < n for i, n in zip(cell, self.counts, strict=True)):
            return None
        return int(np.ravel_multi_index(cell, self.counts))

    def block_of_sample(self, sample: Sequence[float]) -> int | None:
        """Return the block at a sample (z, y, x) of the image of labels; None outside."""
        steps = [float(axis[-1] - axis[0]) / n for axis, n in zip(self.edges, self.samples, strict=True)]
        return self.block_at(
            [float(axis[0]) + (s + 0.5) * step for axis, s, step in zip(self.edges, sample, steps, strict=True)]
        )

    def labels(self, states: Sequence[BlockState]) -> AnyArray:
        """Return the image (z, y, x) of `LABELS`; within a section, blocks are set apart where there is room.

        Parameters
        ----------
        states
            Of every block.
        """
        cells, insides = zip(*(self._along(axis) for axis in range(3)), strict=True)
        of_blocks = np.array([LABELS[state] for state in states], np.uint8).reshape(self.counts)
        image = of_blocks[np.ix_(*cells)]
        image[:, ~insides[1], :] = 0
        image[:, :, ~insides[2]] = 0
        return image

    def placement(self, voxel_size_nm: Triple, origin_nm: Triple) -> tuple[Triple, Triple]:
        """Return the size of a sample and the centre of the first one, in nm, over a stack with this grid."""
        sides = [float(axis[-1] - axis[0]) for axis in self.edges]
        sizes = [side * v / n for side, v, n in zip(sides, voxel_size_nm, self.samples, strict=True)]
        starts = [o - v / 2 + s / 2 for o, v, s in zip(origin_nm, voxel_size_nm, sizes, strict=True)]
        return (sizes[0], sizes[1], sizes[2]), (starts[0], starts[1], starts[2])

    def _along(self, axis: int) -> tuple[AnyArray, AnyArray]:
        """Return the cell of every sample along an axis, and whether it is not the last one of its cell."""
        edges, n = self.edges[axis], self.samples[axis]
        side = float(edges[-1] - edges[0]) / n
        centres = edges[0] + side * (np.arange(n) + 0.5)
        cells = np.clip(np.searchsorted(edges, centres, "right") - 1, 0, len(edges) - 2)
        inside = np.ones(n, bool)
        if len(edges) > 2 and n >= LEAST_FOR_A_GAP * (len(edges) - 1):
            inside[:-1] = np.diff(cells) == 0
        return cells, inside


def _middles(spans: Sequence[Span]) -> list[float]:
    """Return where each span hands over to the next: in the middle of the samples that both hold."""
    return [(later[0] + earlier[1] - 1) / 2 for earlier, later in pairwise(spans)]
