"""Sorted lists of the Gaussians that touch each tile of an image, made without waiting for the GPU.

How many pairs of a Gaussian and a tile there are is known on the device alone, and asking it would hold up both. The
list therefore has a number of slots that is decided beforehand, from counts of earlier lists for images of that size
and about as many Gaussians: each list copies its count to the host while work goes on, and a later one looks at what
has arrived. Where pairs outgrew their slots, kernels see it and go through all Gaussians instead. That draws the same
image to the last bit, if slowly, so that nothing depends on when a count arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from napari_emgauss.render.gpu import kernels

TILE_PX = 8, 16
"""Height and width of a tile."""
BLOCK = 128
"""Gaussians or pairs that one program looks at."""
PAIRS_PER_GAUSSIAN = 4
"""Guessed before any were counted."""
HEADROOM = 1.25
"""Slots per pair; fewer than `LEAST_HEADROOM` are more than was counted, and the next list has more."""
LEAST_HEADROOM = 1.1
MOST_SLOTS = 1 << 26
"""Some 2 GiB while they are sorted."""


@dataclass(frozen=True, eq=False)
class PairList:
    """The Gaussians of each tile, in their order."""

    shape: tuple[int, int, int]
    """Images, height and width."""
    forms: Float[Tensor, "n 8"]
    boxes: Int[Tensor, "n 5"]
    firsts: Tensor
    """The first Gaussian of each of several images, and their number (k + 1,); for one image of no meaning."""
    ends: Int[Tensor, "n"]
    """Pairs up to and with each Gaussian."""
    members: Int[Tensor, "slots"]
    ranges: Int[Tensor, "tiles 2"]
    """Where the members of each tile begin and end."""

    @property
    def n_tiles(self) -> tuple[int, int]:
        """Number of tiles along y and x of an image."""
        return _n_tiles(self.shape)


def _n_tiles(shape: tuple[int, int, int]) -> tuple[int, int]:
    return -(-shape[1] // TILE_PX[0]), -(-shape[2] // TILE_PX[1])


class _Slots:
    """Number of slots for lists of one kind, by the counts that arrived."""

    def __init__(self, guess: int) -> None:
        self.n = self._rounded(guess)
        self._counted = False
        self._arriving: tuple[Tensor, Any] | None = None

    @staticmethod
    def _rounded(n: float) -> int:
        return min(-(-int(n) // 1024) * 1024, MOST_SLOTS)

    def enough(self) -> int:
        """Return the slots that a list should have, by what is known now."""
        if self._arriving is not None:
            count, event = self._arriving
            if event is None or event.query():
                self._arriving = None
                # Read as memory of the host, which it is: torch has nothing to wait for.
                pairs = int(count.numpy()[0])
                if not self._counted or self.n < LEAST_HEADROOM * pairs:
                    self.n, self._counted = self._rounded(HEADROOM * pairs), True
        return self.n

    def watch(self, count: Int[Tensor, "1"]) -> None:
        """Have ``count`` copied to the host when the device gets there."""
        if self._arriving is not None:
            return
        arriving = torch.empty(1, dtype=torch.int64, pin_memory=count.is_cuda)
        arriving.copy_(count, non_blocking=True)
        event: Any = torch.cuda.Event() if count.is_cuda else None  # type: ignore[no-untyped-call]
        if event is not None:
            event.record()
        self._arriving = arriving, event


_slots: dict[tuple[torch.device, tuple[int, int, int], int], _Slots] = {}


@lru_cache(maxsize=256)
def _firsts(counts: tuple[int, ...], device: torch.device) -> Int[Tensor, "k1"]:
    """Return where the Gaussians of each image begin, on the device."""
    firsts = torch.tensor([sum(counts[:j]) for j in range(len(counts) + 1)], dtype=torch.int32)
    return firsts.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else firsts


def list_pairs(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    counts: Sequence[int],
    shape: tuple[int, int],
) -> PairList:
    """List the Gaussians of every tile of images of that shape, for the first ``counts[0]`` Gaussians of the first.

    There must be at least one Gaussian.
    """
    n, device = len(means_px), means_px.device
    images = len(counts), *shape
    rows, columns = _n_tiles(images)
    all_tiles = len(counts) * rows * columns
    forms = means_px.new_empty((n, kernels.FORM.value))
    boxes = torch.empty((n, kernels.BOX.value), dtype=torch.int32, device=device)
    n_tiles = torch.empty(n, dtype=torch.int64, device=device)
    firsts = _firsts(tuple(counts), device) if len(counts) > 1 else boxes
    measured = firsts, n, len(counts), *shape, forms, boxes, n_tiles
    kernels.measure[(-(-n // BLOCK),)](means_px, conics, *measured, *TILE_PX, BLOCK)
    ends = torch.cumsum(n_tiles, 0)
    budget = _slots.setdefault((device, images, n.bit_length()), _Slots(PAIRS_PER_GAUSSIAN * n + all_tiles))
    # A graph that is being captured can neither ask nor be asked: it keeps the slots that it has.
    captured = device.type == "cuda" and torch.cuda.is_current_stream_capturing()
    slots = budget.n if captured else budget.enough()
    # Sorting short numbers takes half as long.
    tiles = torch.empty(slots, dtype=torch.int16 if all_tiles < 1 << 15 else torch.int32, device=device)
    owners, members = torch.empty((2, slots), dtype=torch.int32, device=device)
    ranges = torch.empty((all_tiles, 2), dtype=torch.int32, device=device)
    listed = n, rows, columns, all_tiles, slots, n.bit_length(), tiles, owners, ranges
    kernels.enlist[(-(-max(slots, 2 * all_tiles) // BLOCK),)](boxes, n_tiles, ends, *listed, *TILE_PX, BLOCK)
    tiles, order = torch.sort(tiles, stable=True)
    kernels.arrange[(-(-slots // BLOCK),)](tiles, order, owners, all_tiles, slots, members, ranges, BLOCK)
    if not captured:
        budget.watch(ends[-1:])
    return PairList(images, forms, boxes, firsts, ends, members, ranges)
