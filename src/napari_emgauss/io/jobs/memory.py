"""What a job folder keeps, in memory: for a training without checkpoints, and for what cannot be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from napari_emgauss.io.jobs.description import JobDescription

_State = tuple[dict[str, Tensor], dict[str, Any]]


class JobMemory:
    """What `JobFolder` keeps, in memory: for a training without checkpoints."""

    durable = False

    def __init__(self) -> None:
        self._records: dict[str, _State] = {}
        self._states: dict[int, _State] = {}
        self._done: dict[int, _State] = {}

    def exists(self) -> bool:
        """Whether there is anything to resume from."""
        return self.has_blocks()

    def has_blocks(self) -> bool:
        """Whether a block was begun."""
        return bool(self._states or self._done)

    def describe(self, description: JobDescription) -> None:
        """Do nothing: no other process can work on what is in memory."""

    @contextmanager
    def claimed(self, block: int) -> Iterator[bool]:
        """Yield True: nobody else works on a block."""
        yield True

    def log(self, what: str, *, block: int | None = None, **values: Any) -> None:
        """Do nothing: nobody could read it."""

    def save_record(self, name: str, values: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> None:
        """Keep a finding of the whole job."""
        self._records[name] = dict(tensors or {}), dict(values)

    def forget_record(self, name: str) -> None:
        """Forget a finding."""
        self._records.pop(name, None)

    def load_record(self, name: str) -> _State | None:
        """Return tensors and values of a finding, or None."""
        return self._records.get(name)

    def save_state(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Keep a block in training."""
        self._states[block] = tensors, values

    def load_state(self, block: int) -> _State | None:
        """Return a block in training, or None."""
        return self._states.get(block)

    def save_done(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Keep the model of a finished block."""
        self._states.pop(block, None)
        self._done[block] = tensors, values

    def load_done(self, block: int) -> _State | None:
        """Return the model of a finished block, or None."""
        return self._done.get(block)

    def is_dropped(self, block: int) -> bool:
        """Return False: models are kept."""
        return False

    def release(self, block: int) -> None:
        """Forget a block."""
        self._done.pop(block, None)
        self._states.pop(block, None)

    def is_done(self, block: int) -> bool:
        """Whether a block is finished."""
        return block in self._done

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self._records, self._states, self._done):
            kept.clear()
