"""Which boxes can be drawn, and which models are no longer needed."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from napari_emgauss.training.engines.boxes import BoxesToDraw


@dataclass
class Sketch:
    """Boxes that show given blocks."""

    shows: list[set[int]]
    drawn: set[int] = field(default_factory=set)

    @property
    def n_boxes(self):
        return len(self.shows)

    def needs(self, box):
        return sorted(self.shows[box])

    def is_drawn(self, box):
        return box in self.drawn

    def draw(self, box):
        self.drawn.add(box)


@pytest.mark.parametrize("seed", range(5))
def test_a_box_is_ready_when_its_blocks_are_trained_and_a_model_goes_when_its_boxes_are_drawn(seed):
    rng, n_blocks = np.random.default_rng(seed), 12
    sketch = Sketch([set(rng.choice(n_blocks, rng.integers(1, 5), replace=False).tolist()) for _ in range(20)])
    trained = set(rng.choice(n_blocks, 3, replace=False).tolist())
    for box in range(4):  # drawn by an earlier run, whatever they show
        trained |= sketch.shows[box]
        sketch.draw(box)
    boxes, dropped = BoxesToDraw(sketch, trained), []
    waiting = [block for block in rng.permutation(n_blocks).tolist() if block not in trained]
    while waiting or boxes.ready:
        if boxes.ready and (not waiting or rng.random() < 0.5):
            box = boxes.ready.popleft()
            assert sketch.shows[box] <= trained - set(dropped)
            sketch.draw(box)
            boxes.drawn(box)
        else:
            trained.add(waiting[-1])
            boxes.trained(waiting.pop())
        dropped += boxes.unneeded()
        left = set().union(*(sketch.shows[box] for box in range(20) if box not in sketch.drawn))
        assert sorted(dropped) == sorted(trained - left)
    assert boxes.n_left == 0
    assert len(sketch.drawn) == 20
