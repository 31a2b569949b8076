"""A method of some thirty lines: each block learns the mean of several noisy images of its tile.

docs/add-a-method.md walks through it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from napari_emgauss.training import Descent, Hook, PlanePlacement, Preview, Rate, Schedule, Stage

SCHEDULE = Schedule(
    stages=(Stage(name="rough", iterations=20, resting=("detail",)), Stage(name="fine", iterations=40)),
    rates={"level": Rate(0.1, 0.01), "detail": Rate(0.1, 0.01)},
)


@dataclass(frozen=True)
class ToySample:
    """One of the noisy images."""

    image: Tensor
    name: str = "loss"
    weight: float = 1.0


class MeanImage(nn.Module):
    """A level for all pixels, and what each pixel differs by."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.level, self.detail = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(shape))

    def forward(self) -> Tensor:
        return self.level + self.detail


class ToyObjective:
    """What the loop needs to train one tile."""

    schedule = SCHEDULE

    def __init__(self, images: Tensor, origin: tuple[int, int], seed: int, hooks: Sequence[Hook] = ()) -> None:
        self.images, self.origin, self.seed, self.hooks = images, origin, seed, hooks
        self.model = MeanImage(tuple(images.shape[1:]))

    def solver(self) -> Descent:
        return Descent(self)

    def parameters(self) -> dict[str, Tensor]:
        return dict(self.model.named_parameters())

    def sample(self, iteration: int, rng: np.random.Generator) -> Sequence[ToySample]:
        return [ToySample(self.images[int(rng.integers(len(self.images)))])]

    def loss(self, samples: Sequence[ToySample], iteration: int) -> Sequence[Tensor]:
        return [((self.model() - sample.image) ** 2).mean() for sample in samples]

    def scores(self) -> Mapping[str, float]:
        return {"error": float((self.model() - self.images.mean(0)).abs().mean())}

    def preview(self, wanted: tuple[float, ...] | None) -> Preview:
        place = PlanePlacement(origin=(0.0, float(self.origin[0]), float(self.origin[1])))
        return Preview(image=self.model().detach().numpy().copy(), placement=place, label="mean so far")

    def values(self) -> dict[str, list[int]]:
        return {"origin": list(self.origin)}


@dataclass(frozen=True)
class ToyJob:
    """Noisy images (n, Y, X), cut into columns."""

    images: Tensor
    column_px: int = 8
    seed: int = 0

    @property
    def n_blocks(self) -> int:
        return self.images.shape[2] // self.column_px

    def iterations(self, block: int) -> int:
        return SCHEDULE.total

    def nearest(self, blocks: Sequence[int], position: tuple[float, ...] | None) -> int:
        x = 0.0 if position is None else position[2]
        return min(blocks, key=lambda block: abs(block * self.column_px - x))

    def build(self, block: int) -> ToyObjective:
        x = block * self.column_px
        return ToyObjective(self.images[:, :, x : x + self.column_px], (0, x), self.seed + block)


def noisy_images(seed: int = 0) -> Tensor:
    """Return eight noisy images (8, 6, 24) of one gradient."""
    truth = torch.linspace(0, 1, 24).expand(6, 24)
    return truth + 0.1 * torch.randn(8, 6, 24, generator=torch.Generator().manual_seed(seed))
