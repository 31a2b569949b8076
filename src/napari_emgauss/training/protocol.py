"""Contracts between the training loop, the methods that it trains, and what runs and keeps a training.

A method hands over a `Job`: blocks that are trained one by one, each by an `Objective`. An `Engine` runs the job, keeps
what is learned in a `Store`, and tells what happens by events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from napari_emgauss.io.jobs import JobDescription
from napari_emgauss.training.arrival import ArrivingPreview
from napari_emgauss.training.control import Control
from napari_emgauss.training.events import Event, FinishReason, Preview
from napari_emgauss.training.optimiser import Optimiser
from napari_emgauss.training.schedule import Schedule

SavedState = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and plain JSON values."""
Emit = Callable[[Event], None]
"""Receiver of events; called in the thread that trains."""


class Sample(Protocol):
    """One thing that an iteration draws and compares with what was measured."""

    @property
    def name(self) -> str:
        """Name under which its loss is averaged and reported: ``loss`` for what was measured."""
        ...

    @property
    def weight(self) -> float:
        """Factor of its loss in the step."""
        ...


class Hook:
    """Something that takes part in every step; each method does nothing unless it is overridden.

    A step calls `before_backward`, `after_backward` and `after_step`, each for all hooks in order. What a hook learns
    is part of the checkpoint through `state` and `restore`.
    """

    name: str
    """Key of its state in checkpoints: unique in an objective, and neither ``model`` nor ``optimiser``."""
    finished: bool = False
    """Whether nothing more is to be gained: the block's training then ends before its schedule does."""

    def before_backward(self, samples: Sequence[Sample], losses: Sequence[Tensor]) -> None:
        """Look at the losses, one per sample, before gradients are made."""

    def after_backward(self, samples: Sequence[Sample]) -> None:
        """Look at or change the gradients before the optimiser's step."""

    def after_step(self, iteration: int, n_iterations: int, optimiser: Optimiser) -> None:
        """Act on the parameters after a step that made ``n_iterations`` iterations from ``iteration`` on."""

    def state(self) -> SavedState:
        """Return all that `restore` needs to continue exactly."""
        return {}, {}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Continue from a `state`; raises ``KeyError``, ``ValueError`` or ``RuntimeError`` for another's."""


class Solver(Protocol):
    """What moves the model of a block, step by step: `training.descent.Descent`, or a method's own."""

    def step(self, samples: Sequence[Any], iteration: int) -> Sequence[Tensor | float]:
        """Draw the samples, compare them and move the model; return the loss of each as it was before.

        Losses on a GPU are scalar tensors there: nothing is read from it while steps are made. Whether they are finite
        is looked at by the loop.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what it remembers between steps, all that `restore` needs to continue exactly."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a `state`; raises ``KeyError`` when it is of another model."""
        ...


class Objective(Protocol):
    """All that the loop needs to train one block."""

    @property
    def model(self) -> nn.Module:
        """Model in training, at its start when the objective is built."""
        ...

    @property
    def schedule(self) -> Schedule:
        """Stages and rates."""
        ...

    @property
    def hooks(self) -> Sequence[Hook]:
        """Hooks of every step, in their order."""
        ...

    @property
    def seed(self) -> int:
        """Seed of the generator that `sample` gets."""
        ...

    def solver(self) -> Solver:
        """Return what makes the steps, at its start; called at the start and after a checkpoint was read."""
        ...

    def sample(self, iteration: int, rng: np.random.Generator) -> Sequence[Sample]:
        """Choose what is drawn in a step from ``iteration`` on: one sample per iteration that the step makes."""
        ...

    def scores(self) -> Mapping[str, float]:
        """Judge the model as it is; called now and then and at the end, without gradients."""
        ...

    def preview(self, wanted: tuple[float, ...] | None) -> Preview | ArrivingPreview | None:
        """Draw the model as it is, at the position ``wanted`` of the input; None if that lies in another block.

        Where nothing is wanted it chooses a place. What a GPU draws is told when it has arrived.
        """
        ...

    def values(self) -> dict[str, Any]:
        """Return the JSON values that belong to the model's tensors; both together are what is kept of a block."""
        ...


class Descended(Objective, Protocol):
    """An objective whose steps follow gradients: `Descent` is its solver."""

    def parameters(self) -> dict[str, Tensor]:
        """Return what the optimiser moves, by name; called when a `Descent` is made."""
        ...

    def loss(self, samples: Sequence[Any], iteration: int) -> Sequence[Tensor]:
        """Draw the samples and return a scalar loss for each, with gradients."""
        ...


class Job(Protocol):
    """A training cut into blocks. Blocks are independent: none reads what another has learned."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        ...

    def iterations(self, block: int) -> int:
        """Return the iterations of a block's schedule."""
        ...

    def build(self, block: int) -> Objective:
        """Build the objective of a block at its start; the same at every call.

        It may be expensive, and is called only for blocks that are still to be trained.
        """
        ...

    def nearest(self, blocks: Sequence[int], position: tuple[float, ...] | None) -> int:
        """Return the one of ``blocks`` to train next: nearest to a position of the input, or the first.

        It is asked before every block, since the position is where the user looks.
        """
        ...


class SharedJob(Job, Protocol):
    """A job that other processes can open from its folder."""

    @property
    def opener(self) -> str:
        """Name of the function that opens it there, ``module:function``; see `training.engines.tasks.OpenedJob`."""
        ...


class BoxDrawing(Protocol):
    """What is drawn from the models of a job, box by box, while other blocks are still being trained."""

    @property
    def n_boxes(self) -> int:
        """Number of boxes."""
        ...

    def needs(self, box: int) -> Sequence[int]:
        """Return the blocks that a box shows."""
        ...

    def is_drawn(self, box: int) -> bool:
        """Tell whether a box was drawn."""
        ...

    def draw(self, box: int) -> None:
        """Draw a box whose blocks are trained; the same at every call."""
        ...


class Store(Protocol):
    """Keeper of what a training has found and learned; a folder, or memory."""

    @property
    def durable(self) -> bool:
        """Whether it survives the process, so that checkpoints are worth their time."""
        ...

    def describe(self, description: JobDescription) -> None:
        """Say what the job is of, for other processes; raises ``FileFormatError`` where it keeps another job."""
        ...

    def claimed(self, block: int) -> AbstractContextManager[bool]:
        """Claim a block while it is worked on; gives False where another process does."""
        ...

    def log(self, what: str, *, block: int | None = None, **values: Any) -> None:
        """Tell whoever follows the job: ``begun``, ``done``, ``stopped`` or ``failed`` of a block, ``opened`` of a run.

        Never fails.
        """
        ...

    def save_record(self, name: str, values: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> None:
        """Keep a finding of the whole job."""
        ...

    def load_record(self, name: str) -> SavedState | None:
        """Return a finding, or None."""
        ...

    def save_state(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Replace the checkpoint of a block in training."""
        ...

    def load_state(self, block: int) -> SavedState | None:
        """Return the checkpoint of a block in training, or None."""
        ...

    def save_done(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Keep a finished block; its checkpoint is no longer needed."""
        ...

    def load_done(self, block: int) -> SavedState | None:
        """Return a finished block, or None."""
        ...

    def release(self, block: int) -> None:
        """Give back the memory that a block takes, where it takes any: its model was rebuilt."""
        ...

    def is_dropped(self, block: int) -> bool:
        """Tell whether a block is finished and its model no longer kept."""
        ...

    def is_done(self, block: int) -> bool:
        """Tell whether a block is finished, without reading it."""
        ...

    def exists(self) -> bool:
        """Tell whether there is anything to resume from that took time to learn."""
        ...

    def has_blocks(self) -> bool:
        """Tell whether a block was begun, so that the division into blocks must stay."""
        ...

    def clear(self) -> None:
        """Remove everything."""
        ...


class Engine(Protocol):
    """Runner of jobs: in this process, or on several."""

    def run(self, job: Job, store: Store, control: Control, emit: Emit) -> FinishReason:
        """Train every block that the store does not hold yet, and keep each in the store.

        Emits progress and previews on the way, and exactly one `Finished`. After a stop, blocks in training are kept as
        they are.

        Raises
        ------
        OutOfMemoryError
            The device ran out of memory; `Finished` carries the message too.
        """
        ...


class DrawingEngine(Engine, Protocol):
    """An engine whose workers also draw what is made of the models, and drop those that were drawn."""

    drawing: BoxDrawing | None
    """What they draw while the job runs; set before that."""

    def each(self, function: Callable[[Any], Any], things: Sequence[Any]) -> Iterator[Any]:
        """Call a function that can be pickled for each of ``things`` on the workers; yield once for each."""
        ...
