"""Models of all blocks: in memory, or read from a file when they are asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from napari_emgauss.forward import SectionModel
from napari_emgauss.methods.emgauss.model.state import model_values

CACHE_BYTES = 512 * 2**20
"""Models read from a file are kept up to this size together; at least one is."""


class Models(Sequence[SectionModel]):
    """One model per block of a plan."""

    n_gaussians: int
    """Gaussians of all blocks."""
    values: Sequence[Mapping[str, Any]]
    """Numbers that belong to each block's tensors (`model_values`)."""

    @overload
    def __getitem__(self, block: int) -> SectionModel: ...
    @overload
    def __getitem__(self, block: slice) -> Sequence[SectionModel]: ...
    def __getitem__(self, block: int | slice) -> SectionModel | Sequence[SectionModel]:
        """Return the model of ``block``."""
        if isinstance(block, slice):
            return [self.model(k) for k in range(len(self))[block]]
        return self.model(range(len(self))[block])

    def __iter__(self) -> Iterator[SectionModel]:
        return (self.model(block) for block in range(len(self)))

    def model(self, block: int) -> SectionModel:
        """Return the model of ``block``, 0 or more."""
        raise NotImplementedError


class MemoryModels(Models):
    """Models that were just trained."""

    def __init__(self, models: Iterable[SectionModel]) -> None:
        self._models = tuple(models)
        self.n_gaussians = sum(len(model.gaussians) for model in self._models)
        self.values = [model_values(model) for model in self._models]

    def __len__(self) -> int:
        return len(self._models)

    def model(self, block: int) -> SectionModel:
        """Return the model of ``block``."""
        return self._models[block]


class StoredModels(Models):
    """Models that are read when they are asked for; the ones used last stay in memory. Safe from several threads.

    Parameters
    ----------
    read
        Returns the model of a block, read anew.
    n_gaussians
        Gaussians of each block.
    values
        Numbers that belong to each block's tensors.
    cache_bytes
        Most that is kept in memory.
    """

    def __init__(
        self,
        read: Callable[[int], SectionModel],
        n_gaussians: Sequence[int],
        values: Sequence[Mapping[str, Any]],
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._read, self._n_blocks, self.cache_bytes = read, len(n_gaussians), cache_bytes
        self.n_gaussians, self.values = sum(n_gaussians), values
        self._kept: OrderedDict[int, SectionModel] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._n_blocks

    @property
    def n_kept(self) -> int:
        """Models in memory now."""
        return len(self._kept)

    def model(self, block: int) -> SectionModel:
        """Return the model of ``block``, read if it is not in memory."""
        with self._lock:
            if block not in self._kept:
                self._kept[block] = self._read(block)
            self._kept.move_to_end(block)
            model = self._kept[block]
            while len(self._kept) > 1 and sum(map(n_bytes, self._kept.values())) > self.cache_bytes:
                self._kept.popitem(last=False)
            return model


def n_bytes(model: SectionModel) -> int:
    """Return the bytes of a model's tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
