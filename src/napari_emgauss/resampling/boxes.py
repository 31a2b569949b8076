"""Export box by box into an OME-Zarr in shards: by several processes at once, and again after an interruption."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from napari_emgauss.io.atomic import IsCancelled, provenance
from napari_emgauss.io.ome_zarr import Box, ShardedVolume
from napari_emgauss.io.ome_zarr.grid import CHUNK, SHARD
from napari_emgauss.io.ome_zarr.sharded import DoEach, ReportBoxes
from napari_emgauss.resampling.export import made_now
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.runtime.threads import set_threads, usable_cores

MakePlanes = Callable[[], Planes]
"""Returns what is exported; called once in every process, so it can be pickled: a function with a file's name."""
QUEUED_PER_WORKER = 2
SLAB_BYTES = 64 * 2**20
"""Where planes are drawn whole, all shards of a slab are held at once: as many planes as take this, or one chunk's."""


def export_in_boxes(
    make: MakePlanes,
    path: Path,
    *,
    workers: int = 1,
    whole_planes: bool = False,
    fingerprint: str = "",
    overwrite: bool = False,
    progress: ReportBoxes | None = None,
    cancelled: IsCancelled | None = None,
) -> Path:
    """Draw planes box by box into an OME-Zarr 0.5 in shards; the same numbers as plane by plane.

    Memory is that of a shard, or of a slab of whole planes, for each worker, whatever the size of the volume. What an
    earlier run wrote, also one that was killed, is not drawn again.

    Parameters
    ----------
    make
        Returns the planes.
    path
        The volume, ``.ome.zarr``.
    workers
        Processes that draw, each with its share of the cores; 1 draws here.
    whole_planes
        Draw slabs of whole planes: for what costs as much to draw in part.
    fingerprint
        Of what is drawn; what an earlier run left of something else is refused.
    overwrite
        Replace an existing volume, once the new one is whole.
    progress
        Called with (boxes done, boxes in total), those of earlier runs and of coarser levels included.
    cancelled
        Asked between boxes; True stops, and the same call goes on later.

    Raises
    ------
    WritePaused
        ``cancelled`` returned True.
    FileExistsError, FileNotFoundError, OSError
        As `ShardedVolume.begin`.
    VolumeError
        Fewer than two planes or 16 × 16 pixels.
    RuntimeError
        A worker was killed, or ran out of memory.
    """
    planes = make()
    volume = planes.volume(export=made_now())
    depth = max(1, min(CHUNK[0], SLAB_BYTES // (planes.nbytes // len(planes)))) if whole_planes else CHUNK[0]
    target = ShardedVolume.begin(
        path,
        shape=volume.shape,
        dtype=volume.dtype,
        voxel_size_nm=volume.voxel_size_nm,
        origin_nm=volume.origin_nm,
        chunk=(depth, *CHUNK[1:]),
        shard=(depth if whole_planes else SHARD[0], *SHARD[1:]),
        fingerprint=fingerprint,
        metadata=provenance(volume, None),
        overwrite=overwrite,
    )
    todo = _slabs(target) if whole_planes else target.missing()
    total = math.prod(target.grid().counts) + sum(
        math.prod(target.grid(k).counts) for k in range(1, len(target.levels))
    )
    done = total - sum(len(target.missing(level=k)) for k in range(len(target.levels)))

    def step(n: int = 1) -> None:
        nonlocal done
        done = min(done + n, total)
        if progress is not None:
            progress(done, total)
        if cancelled is not None and cancelled():
            raise target.paused()

    step(0)
    with _drawing(planes, make, target, workers) as (draw, each):
        for box in each(draw, todo):
            step(len(target.grid().places(box)))
        return target.finish(each=each, overwrite=overwrite, progress=lambda _done, _total: step())


def _slabs(target: ShardedVolume) -> list[Box]:
    """Return the slabs of whole planes of which something is missing."""
    _, height, width = target.shape
    depths = sorted({(box.start[0], box.stop[0]) for box in target.missing()})
    return [Box((z0, 0, 0), (z1, height, width)) for z0, z1 in depths]


def _draw(planes: Planes, target: ShardedVolume, box: Box) -> None:
    target.write(box, planes.box(*(range(a, b) for a, b in zip(box.start, box.stop, strict=True))))


_at_work: tuple[Planes, ShardedVolume] | None = None
"""What this process draws, and where to, if it is a worker."""


def _draw_at_work(box: Box) -> None:
    assert _at_work is not None
    _draw(*_at_work, box)


def _start(make: MakePlanes, target: ShardedVolume, n_threads: int) -> None:
    """Set up a worker. Ctrl-C reaches it too, but the main process decides what becomes of it, and outlives it."""
    global _at_work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="emgauss-parent", daemon=True).start()
    set_threads(n_threads)
    _at_work = make(), target


def _end_with_parent() -> None:
    """End this process when the main one is gone, which may have been killed."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _drawing(
    planes: Planes, make: MakePlanes, target: ShardedVolume, workers: int
) -> Iterator[tuple[Callable[[Box], None], DoEach]]:
    """Yield what draws a box, and what calls a function for every box: here, or in processes."""
    if workers == 1:
        yield partial(_draw, planes, target), _each_here
        return
    threads = max(1, usable_cores() // workers)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start, (make, target, threads))

    def each(function: Callable[[Box], None], boxes: Sequence[Box]) -> Iterable[Box]:
        waiting, running = list(reversed(boxes)), dict[Future[Any], Box]()
        while waiting or running:
            while waiting and len(running) < QUEUED_PER_WORKER * workers:
                box = waiting.pop()
                running[pool.submit(function, box)] = box
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                future.result()
                yield running.pop(future)

    try:
        yield _draw_at_work, each
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"a worker of {workers} ended by itself: it was killed, or ran out of memory. What is written is kept; "
            "the same command goes on, perhaps with fewer workers."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _each_here(function: Callable[[Box], None], boxes: Sequence[Box]) -> Iterator[Box]:
    for box in boxes:
        function(box)
        yield box
