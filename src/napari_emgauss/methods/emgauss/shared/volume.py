"""The isotropic volume of a training, drawn box by box while blocks are still being trained."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss.blocks import Span, observed_coordinate
from napari_emgauss.errors import FileFormatError
from napari_emgauss.forward import SectionModel
from napari_emgauss.io.atomic import provenance
from napari_emgauss.io.ome_zarr import Box, ShardedVolume
from napari_emgauss.io.ome_zarr.grid import CHUNK, SHARD
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.model import StoredModels, rounded
from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.training import Store

RECORD = "volume"
CACHE_BYTES = 256 * 2**20
"""Models that a process keeps between the boxes that it draws."""
MARGIN_PX = 2
"""What a box may need beyond its pixels where they are resampled."""


@dataclass(frozen=True)
class VolumeInBoxes:
    """Drawing of a training's volume into shards, each as soon as the blocks that it shows are trained.

    Parameters
    ----------
    job, store
        The training.
    target
        Where the volume goes.
    """

    job: EmgaussJob
    store: Store
    target: ShardedVolume

    @classmethod
    def begin(
        cls, job: EmgaussJob, store: Store, path: Path, *, found: Mapping[str, Any], overwrite: bool
    ) -> VolumeInBoxes:
        """Begin the volume, or go on with it.

        Raises
        ------
        FileFormatError
            Models were dropped that it would have to be drawn from again.
        FileExistsError, FileNotFoundError, OSError
            As `ShardedVolume.begin`.
        """
        planes = Planes(_reconstruction(job, store, found))
        target = ShardedVolume.begin(
            path,
            shape=planes.shape,
            dtype=planes.dtype,
            voxel_size_nm=planes.voxel_size_nm,
            origin_nm=planes.origin_nm,
            chunk=CHUNK,
            shard=SHARD,
            fingerprint=job.setup.fingerprint,
            metadata=provenance(planes.volume(), None),
            overwrite=overwrite,
        )
        volume = cls(job, store, target)
        for box in volume.boxes:
            if not target.is_written(box) and any(store.is_dropped(block) for block in volume._needs(box)):
                raise FileFormatError(
                    f"models were dropped when they had been drawn to {path}, of which a part is missing now. Bring it "
                    "back, or choose another folder for checkpoints to start anew."
                )
        store.save_record(RECORD, {"path": str(target.path)})
        return volume

    @classmethod
    def resume(cls, job: EmgaussJob, store: Store) -> VolumeInBoxes | None:
        """Return the volume that the training is drawn to; None where it is not."""
        saved = store.load_record(RECORD)
        return None if saved is None else cls(job, store, ShardedVolume.resume(Path(str(saved[1]["path"]))))

    @cached_property
    def boxes(self) -> list[Box]:
        """The boxes, each of one shard."""
        return self.target.boxes

    @property
    def n_boxes(self) -> int:
        """Number of boxes."""
        return len(self.boxes)

    def needs(self, box: int) -> Sequence[int]:
        """Return the blocks that a box shows."""
        return self._needs(self.boxes[box])

    def is_drawn(self, box: int) -> bool:
        """Tell whether a box is written."""
        return self.target.is_written(self.boxes[box])

    def draw(self, box: int) -> None:
        """Draw a box from the models in the store, and write it; the same at every call."""
        where = self.boxes[box]
        self.target.write(where, self._planes.box(*(range(a, b) for a, b in zip(where.start, where.stop, strict=True))))

    def finish(self, each: Callable[[Callable[[Box], None], Sequence[Box]], Iterable[Any]], *, overwrite: bool) -> Path:
        """Make the coarser levels, by ``each``, and give the volume its name."""
        return self.target.finish(each=each, overwrite=overwrite)

    @cached_property
    def _planes(self) -> Planes:
        return Planes(_reconstruction(self.job, self.store, {}))

    def _needs(self, box: Box) -> Sequence[int]:
        setup, plan = self.job.setup, self.job.setup.plan
        planes, (height, width) = self._planes, setup.volume.shape[1:]
        low, high = (
            observed_coordinate(setup.observed, planes.section_coordinate(k)) for k in (box.start[0], box.stop[0] - 1)
        )
        steps = [new / old for new, old in zip(planes.voxel_size_nm[1:], setup.volume.voxel_size_nm[1:], strict=True)]
        rows, columns = (
            (max(math.floor(a * step) - MARGIN_PX, 0), min(math.ceil(b * step) + MARGIN_PX, size))
            for a, b, step, size in zip(box.start[1:], box.stop[1:], steps, (height, width), strict=True)
        )
        along_z = _touched(plan.z, math.floor(low), math.ceil(high) + 1)
        n_y, n_x = len(plan.y), len(plan.x)
        return [
            (z * n_y + y) * n_x + x
            for z in along_z
            for y in _touched(plan.y, *rows)
            for x in _touched(plan.x, *columns)
        ]


@lru_cache(maxsize=4096)
def _touched(spans: tuple[Span, ...], start: int, stop: int) -> range:
    """Return the spans that share an index with ``start`` .. ``stop - 1``; they are in order."""
    first = bisect.bisect_right([b for _, b in spans], start)
    last = bisect.bisect_left([a for a, _ in spans], stop)
    return range(first, last)


def _reconstruction(job: EmgaussJob, store: Store, found: Mapping[str, Any]) -> Reconstruction:
    """Return what can be drawn of a training's blocks, whose models are read from the store when they are drawn."""
    setup = job.setup

    def read(block: int) -> SectionModel:
        return rounded(job.trained_model(block, store), setup.config)

    n_blocks = job.n_blocks
    models = StoredModels(read, [0] * n_blocks, [{}] * n_blocks, cache_bytes=CACHE_BYTES)
    volume = setup.volume
    source = setup.recorded or volume
    return Reconstruction(
        shape=volume.shape,
        voxel_size_nm=volume.voxel_size_nm,
        origin_nm=volume.origin_nm,
        dtype=np.dtype(source.dtype),
        config=setup.config,
        scaling=setup.scaling,
        observed=tuple(setup.observed),
        plan=setup.plan,
        models=models,
        record={"preset": setup.preset, "seed": setup.seed, **found},
    )
