"""Boxes to draw: which can be, and which models are no longer needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

from napari_emgauss.training.protocol import BoxDrawing


class BoxesToDraw:
    """Boxes of a drawing in their order: a box is ready when all blocks that it shows are trained.

    Parameters
    ----------
    drawing
        What is drawn.
    trained
        Blocks that are trained already.
    """

    def __init__(self, drawing: BoxDrawing, trained: Collection[int]) -> None:
        self._drawing = drawing
        self._lacking: dict[int, set[int]] = {}
        self._shown_in: dict[int, set[int]] = {}
        self.ready: deque[int] = deque()
        """Boxes that can be drawn now."""
        self.n_left = 0
        """Boxes that are not drawn yet."""
        done = set(trained)
        self._unneeded = set(done)
        for box in range(drawing.n_boxes):
            if drawing.is_drawn(box):
                continue
            self.n_left += 1
            needed = set(drawing.needs(box))
            self._unneeded -= needed
            for block in needed:
                self._shown_in.setdefault(block, set()).add(box)
            self._lacking[box] = needed - done
            if not self._lacking[box]:
                self.ready.append(box)

    def trained(self, block: int) -> None:
        """Take note of a block that is trained now."""
        for box in sorted(self._shown_in.get(block, ())):
            lacking = self._lacking[box]
            if block in lacking:
                lacking.discard(block)
                if not lacking:
                    self.ready.append(box)
        if block not in self._shown_in:
            self._unneeded.add(block)

    def drawn(self, box: int) -> None:
        """Take note of a box that is drawn now."""
        self.n_left -= 1
        del self._lacking[box]
        for block in self._drawing.needs(box):
            boxes = self._shown_in[block]
            boxes.discard(box)
            if not boxes:
                del self._shown_in[block]
                self._unneeded.add(block)

    def unneeded(self) -> Iterator[int]:
        """Yield, once each, the trained blocks that no box needs that is left to draw."""
        while self._unneeded:
            yield self._unneeded.pop()
