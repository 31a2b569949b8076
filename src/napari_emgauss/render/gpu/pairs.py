"""Sorted lists of the Gaussians that touch each tile of an image, made without waiting for the GPU.

How many pairs of a Gaussian and a tile there are is known on the device alone, and asking it holds up both. That is
done once for images of a size and a number of Gaussians, up to a factor of two. Lists after the first have as many
slots per Gaussian, and some to spare: now and then one copies its count to the host while work goes on, and a later one
looks at what has arrived. If nothing has after as many lists again, the host is far ahead of the device, and waits for
it while it has work. Where pairs outgrew their slots, kernels see it and go through all Gaussians of an image
instead. That draws the same to the last bit, if slowly, so that nothing depends on when a count arrives.
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
PAIRS_PER_GAUSSIAN = 8.0
"""Guessed where a graph is captured before any list was made."""
HEADROOM, LEAST_HEADROOM = 1.5, 1.2
"""Slots per pair when lists get them, and when those that follow get more."""
LISTS_PER_COUNT = 8
MOST_SLOTS = 1 << 26
"""Some 2 GiB while they are sorted."""


@dataclass(frozen=True, eq=False)
class PairList:
    """The Gaussians of each tile, in their order."""

    shape: tuple[int, int, int]
    """Images, height and width."""
    records: Float[Tensor, "n 16"]
    """What the kernels know of each Gaussian."""
    firsts: Tensor
    """The first Gaussian of each of several images, and their number (k + 1,); for one image of no meaning."""
    ends: Int[Tensor, "n"]
    """Pairs up to and with each Gaussian."""
    slots: int
    lists: Int[Tensor, "m"]
    """For each slot something used up, and the Gaussian of its pair; then for each tile the range of its slots."""

    @property
    def n_tiles(self) -> tuple[int, int]:
        """Number of tiles along y and x of an image."""
        return _n_tiles(self.shape)


def _n_tiles(shape: tuple[int, int, int]) -> tuple[int, int]:
    return -(-shape[1] // TILE_PX[0]), -(-shape[2] // TILE_PX[1])


class _Slots:
    """Number of slots for lists of one kind, by the counts of those before."""

    def __init__(self, pairs_per_gaussian: float) -> None:
        self._per_gaussian = HEADROOM * pairs_per_gaussian
        self._n_lists, self._n_watched, self._n_gaussians, self._arriving = 0, 0, 0, False
        self._count: Tensor | None = None
        self._event: Any = None

    def enough(self, n_gaussians: int, *, look: bool = True) -> int:
        """Return the slots that a list should have, by what is known now, or without ``look`` was known before."""
        if look and self._arriving and self._count is not None and self._arrived():
            self._arriving = False
            # Read as memory of the host, which it is: torch has nothing to wait for.
            found = int(self._count.numpy()[0]) / self._n_gaussians
            if self._per_gaussian < LEAST_HEADROOM * found:
                self._per_gaussian = HEADROOM * found
        return min((int(self._per_gaussian * n_gaussians) // 1024 + 1) * 1024, MOST_SLOTS)

    def _arrived(self) -> bool:
        """Return whether the count that is on its way is there, and see to it that it is before lists pile up."""
        if self._event is None or self._event.query():
            return True
        if self._n_lists - self._n_watched < LISTS_PER_COUNT:
            return False
        self._event.synchronize()
        return True

    def watch(self, ends: Int[Tensor, "n"]) -> None:
        """Have the count of a list, one of several, copied to the host when the device gets there."""
        self._n_lists += 1
        if self._arriving or self._n_lists % LISTS_PER_COUNT:
            return
        if self._count is None:
            with torch.inference_mode(False):
                self._count = torch.empty(1, dtype=torch.int64, pin_memory=ends.is_cuda)
            self._event = torch.cuda.Event() if ends.is_cuda else None  # type: ignore[no-untyped-call]
        self._count.copy_(ends[-1:], non_blocking=True)
        if self._event is not None:
            self._event.record()
        self._arriving, self._n_gaussians, self._n_watched = True, len(ends), self._n_lists


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
    records = means_px.new_empty((n, kernels.RECORD.value))
    n_tiles = torch.empty(n, dtype=torch.int64, device=device)
    firsts = _firsts(tuple(counts) if len(counts) > 1 else (), device)
    measured = firsts, n, len(counts), *shape, records, n_tiles
    kernels.measure((-(-n // BLOCK), 1), means_px, conics, *measured, *TILE_PX, BLOCK)
    ends = torch.cumsum(n_tiles, 0)
    # A graph that is being captured can neither ask nor be asked: it keeps the slots that it has.
    captured = device.type == "cuda" and torch.cuda.is_current_stream_capturing()
    kind = device, images, n.bit_length()
    budget = _slots.get(kind)
    if budget is None:
        budget = _Slots(PAIRS_PER_GAUSSIAN if captured else int(ends[-1]) / n)
        if not captured:
            _slots[kind] = budget
    slots = budget.enough(n, look=not captured)
    # Sorting short numbers takes two thirds of the time.
    short = all_tiles < 1 << 15
    tiles = torch.empty(slots, dtype=torch.int16 if short else torch.int32, device=device)
    lists = torch.empty(2 * (slots + all_tiles), dtype=torch.int32, device=device)
    listed = n, rows, columns, all_tiles, slots, n.bit_length(), tiles, lists
    kernels.enlist((-(-max(slots, 2 * all_tiles) // BLOCK), 1), records, ends, *listed, short, *TILE_PX, BLOCK)
    tiles, order = torch.sort(tiles, stable=True)
    kernels.arrange((-(-slots // BLOCK), 1), tiles, order, all_tiles, slots, lists, short, BLOCK)
    if not captured:
        budget.watch(ends)
    return PairList(images, records, firsts, ends, slots, lists)
