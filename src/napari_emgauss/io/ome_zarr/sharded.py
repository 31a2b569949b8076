"""An OME-Zarr 0.5 in shards that any number of processes fill at once, box by box."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.storage import LocalStore, MemoryStore

from napari_emgauss._types import AnyArray, Triple
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.atomic import (
    IsCancelled,
    WritePaused,
    beside,
    check_disk,
    check_target,
    remove,
    replace_folder,
    replacing,
)
from napari_emgauss.io.guard import MAX_METADATA_BYTES, array_bytes, check_plain, foreign_errors, json_object
from napari_emgauss.io.ome_zarr.attributes import KEY, UNFINISHED, image_attributes
from napari_emgauss.io.ome_zarr.grid import CHUNK, SHARD, Box, ShardGrid, Size, plan_shards
from napari_emgauss.io.ome_zarr.pyramid import LevelSpec, averaged, plan_levels
from napari_emgauss.volume import check_voxel_size

WORKING_SUFFIX = ".part"
"""A volume that is being filled is called like the finished one, and this."""
_RECORD = "filling.json"

DoEach = Callable[[Callable[[Box], None], Sequence[Box]], Iterable[Any]]
"""Calls a function, which can be pickled, for every box, in any order and place; yields once for each."""
ReportBoxes = Callable[[int, int], None]
"""Called with (boxes done, boxes in total)."""


@dataclass(frozen=True, kw_only=True)
class ShardedVolume:
    """A volume that is being filled; any number of processes may hold one, for it can be pickled.

    ::

        begin ──> write(box), in any order, by anyone, again and again ──> finish ──> an OME-Zarr under its name
          │                                                                 │
          └── goes on with what is there, if it is the same volume          └── the coarser levels first

    Until it is whole it is called ``NAME.part`` and our readers refuse it. A shard is a file that appears whole or not
    at all, so the files themselves say what is done, also after the machine was switched off. The same box written
    twice, even at the same time, gives the same file.

    Attributes
    ----------
    path
        Where it will be, ``.ome.zarr``.
    shape
        Number of voxels (z, y, x).
    dtype
        Name of the type of its intensities.
    voxel_size_nm, origin_nm
        As for `Volume`.
    chunk, shard
        Voxels that are packed together, and that a file holds.
    fingerprint
        Of what is written: a volume in work of another one is refused.
    metadata
        JSON values stored with it.
    """

    path: Path
    shape: Size
    dtype: str
    voxel_size_nm: Triple
    origin_nm: Triple = (0.0, 0.0, 0.0)
    chunk: Size = CHUNK
    shard: Size = SHARD
    fingerprint: str = ""
    metadata: Mapping[str, Any]

    @classmethod
    def begin(
        cls,
        path: Path,
        *,
        shape: Size,
        dtype: Any,
        voxel_size_nm: Triple,
        origin_nm: Triple = (0.0, 0.0, 0.0),
        shard: Size = SHARD,
        chunk: Size = CHUNK,
        fingerprint: str = "",
        metadata: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> ShardedVolume:
        """Return a volume to be filled; one that was begun before goes on, whoever began it.

        Raises
        ------
        FileExistsError
            ``path`` exists and ``overwrite`` is false; or what was begun there is another volume.
        FileNotFoundError
            The folder to write into does not exist.
        OSError
            The disk has less room left than the volume may need, unpacked.
        ValueError
            A shard does not consist of whole chunks.
        """
        path = Path(path).absolute()
        check_target(path, overwrite=overwrite)
        chunk, shard = plan_shards(shape, chunk=chunk, shard=shard)
        wanted = cls(
            path=path,
            shape=shape,
            dtype=np.dtype(dtype).name,
            voxel_size_nm=check_voxel_size(voxel_size_nm),
            origin_nm=origin_nm,
            chunk=chunk,
            shard=shard,
            fingerprint=fingerprint,
            metadata=dict(metadata or {}),
        )
        check_disk(path, wanted.n_bytes - _size_of(wanted.working))
        if not wanted.working.exists():
            wanted._create()
        begun = cls.resume(path)
        if begun._identity() != wanted._identity():
            raise FileExistsError(
                f"{wanted.working} is an unfinished volume of something else. Delete it, or choose another name."
            )
        return begun

    @classmethod
    def resume(cls, path: Path) -> ShardedVolume:
        """Return the volume that was begun at ``path``: what a worker calls.

        Raises
        ------
        FileNotFoundError
            None was begun, or it is finished.
        FileFormatError
            What is there was not begun by `begin`, or has links in it.
        """
        path = Path(path).absolute()
        record = working_path(path) / _RECORD
        if not record.parent.exists():
            raise FileNotFoundError(f"no volume is being written to {path}. It was not begun, or it is finished.")
        check_plain(record.parent)
        try:
            with record.open("rb") as file:
                values = json_object(json.loads(file.read(MAX_METADATA_BYTES)))
            for name in ("shape", "chunk", "shard", "voxel_size_nm", "origin_nm"):
                values[name] = tuple(values[name])
            return cls(path=path, **values)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileFormatError(
                f"{record.parent} cannot be continued ({error}). Delete it and start again."
            ) from error

    @property
    def working(self) -> Path:
        """The folder while it is filled."""
        return working_path(self.path)

    @property
    def levels(self) -> list[LevelSpec]:
        """The levels, from the finest on."""
        return plan_levels(self.shape, self.voxel_size_nm, self.origin_nm)

    @property
    def n_bytes(self) -> int:
        """Bytes of all levels, unpacked."""
        return sum(array_bytes(level.shape, np.dtype(self.dtype).itemsize) for level in self.levels)

    def grid(self, level: int = 0) -> ShardGrid:
        """Return the shards of a level."""
        shape = self.levels[level].shape
        return ShardGrid(shape, plan_shards(shape, chunk=self.chunk, shard=self.shard)[1])

    @property
    def boxes(self) -> list[Box]:
        """The voxels of each shard: what `write` takes, alone or several in one box."""
        return self.grid().boxes()

    def is_written(self, box: Box, *, level: int = 0) -> bool:
        """Return whether all shards of ``box`` are there."""
        return all(_is_written(self._file(level, place)) for place in self.grid(level).places(box))

    def missing(self, *, level: int = 0) -> list[Box]:
        """Return the boxes that are not there yet."""
        grid = self.grid(level)
        return [box for box in grid.boxes() if not _is_written(self._file(level, grid.places(box)[0]))]

    def write(self, box: Box, block: AnyArray, *, level: int = 0) -> None:
        """Write a box of whole shards; what was there is replaced. Nothing is done once the volume is finished.

        Raises
        ------
        ValueError
            ``box`` does not consist of whole shards, or ``block`` has another shape or type.
        FileNotFoundError
            The volume was discarded.
        OSError
            The disk is full or gone.
        """
        if block.shape != box.shape or block.dtype.name != self.dtype:
            raise ValueError(
                f"box {box} takes {self.dtype} of shape {box.shape}, got {block.dtype} of shape {block.shape}."
            )
        grid = self.grid(level)
        for place in grid.places(box):
            packed = self._packed(block[grid.box(place).within(box)], grid.shard)
            try:
                self._put(self._file(level, place), packed)
            except FileNotFoundError:
                if self.working.exists() or not self.path.exists():
                    raise FileNotFoundError(
                        f"{self.working} is no longer there: it was deleted, or its disk is no longer connected. "
                        "Start again."
                    ) from None
                return  # a straggler: somebody else wrote the same and finished

    def read(self, box: Box, *, level: int = 0) -> AnyArray:
        """Return what is in a box, whole shards or not; 0 where nothing was written yet."""
        folder = self.working / str(level)
        with foreign_errors(folder, "OME-Zarr", remedy="Delete the shards that are: the same command draws them anew."):
            return np.asarray(zarr.open_array(LocalStore(folder, read_only=True), mode="r")[box.slices])

    def finish(
        self,
        *,
        each: DoEach = map,
        overwrite: bool = False,
        progress: ReportBoxes | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Path:
        """Write the coarser levels, and give the volume its name. What is there already is not written again.

        Parameters
        ----------
        each
            Does the boxes of a level: ``map``, or that of a pool. A box takes the memory of about four shards.
        overwrite
            Replace what exists.
        progress
            Called with (boxes done, boxes in total), coarser levels only.
        cancelled
            Asked between boxes; True stops, and `finish` can be called again.

        Raises
        ------
        ValueError
            Boxes are missing.
        FileExistsError
            As for `begin`.
        WritePaused
            ``cancelled`` returned True.
        """
        if not self.working.exists() and self.path.exists():
            return self.path  # another process was first
        check_target(self.path, overwrite=overwrite)
        if missing := self.missing():
            raise ValueError(
                f"{self.path} is not whole: {len(missing)} of {len(self.boxes)} boxes are missing, the first at "
                f"{missing[0]}. Write them first."
            )
        todo = [self.missing(level=level) for level in range(1, len(self.levels))]
        done, total = 0, sum(map(len, todo))
        for level, boxes in enumerate(todo, start=1):
            for _ in each(partial(self.coarsen, level), boxes):
                done += 1
                if progress is not None:
                    progress(done, total)
                if cancelled is not None and cancelled():
                    raise self.paused()
        self._take_name()
        return self.path

    def coarsen(self, level: int, box: Box) -> None:
        """Write a box of a coarser level from the next finer one, a chunk's depth at a time."""
        spec, finer = self.levels[level], self.levels[level - 1].shape
        block, depth = np.empty(box.shape, self.dtype), self.chunk[0]
        for first in range(box.start[0], box.stop[0], depth):
            last = min(first + depth, box.stop[0])
            start = [a * r for a, r in zip((first, *box.start[1:]), spec.reduction, strict=True)]
            stop = [min(b * r, n) for b, r, n in zip((last, *box.stop[1:]), spec.reduction, finer, strict=True)]
            fine = self.read(Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])), level=level - 1)
            for k in range(last - first):
                planes = fine[k * spec.reduction[0] : (k + 1) * spec.reduction[0]]
                block[first - box.start[0] + k] = averaged(list(planes), spec.reduction, block.dtype)
        self.write(box, block, level=level)

    def paused(self) -> WritePaused:
        """Return what to raise where the work ends before its time."""
        return WritePaused(
            f"{self.path} is not whole yet: what is written is kept in {self.working.name}. The same command goes on."
        )

    def discard(self) -> None:
        """Remove what was written."""
        remove(self.working)

    def _identity(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name not in ("metadata", "path")}

    def _create(self) -> None:
        """Make the folder with its metadata, at once: another process may be about to."""
        temporary = beside(self.working, "part")
        try:
            group = zarr.create_group(
                LocalStore(temporary), zarr_format=3, attributes={KEY: {UNFINISHED: True, "record": _RECORD}}
            )
            for index, level in enumerate(self.levels):
                self._array(group, str(index), level.shape)
            values = {name: value for name, value in asdict(self).items() if name != "path"}
            (temporary / _RECORD).write_text(json.dumps(values, indent=1), encoding="utf-8")
            os.rename(temporary, self.working)
        except OSError:
            if not self.working.is_dir():
                raise
        finally:
            remove(temporary)

    def _array(self, group: zarr.Group, name: str, shape: Size) -> zarr.Array[Any]:
        chunk, shard = plan_shards(shape, chunk=self.chunk, shard=self.shard)
        return group.create_array(
            name,
            shape=shape,
            chunks=chunk,
            shards=shard,
            dtype=self.dtype,
            compressors=ZstdCodec(level=0, checksum=True),
            dimension_names=("z", "y", "x"),
            config={"write_empty_chunks": True},  # a shard of zeros is a file too: it says that it was written
        )

    def _packed(self, block: AnyArray, shard: Size) -> bytes:
        """Return the file of one shard; what lies beyond the volume is 0."""
        files: dict[str, Any] = {}
        array = self._array(zarr.create_group(MemoryStore(files)), "0", shard)
        array[tuple(slice(0, n) for n in block.shape)] = block
        packed: bytes = files["0/c/0/0/0"].to_bytes()
        return packed

    def _put(self, file: Path, packed: bytes) -> None:
        for folder in (file.parents[2], file.parents[1], file.parent):  # not those above: the volume may be finished
            folder.mkdir(exist_ok=True)
        with replacing(file, overwrite=True, n_bytes=len(packed)) as temporary:
            temporary.write_bytes(packed)

    def _file(self, level: int, place: Size) -> Path:
        return self.working / str(level) / _key(place)

    def _take_name(self) -> None:
        for left in _left_over(self.working):
            left.unlink(missing_ok=True)
        about = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": image_attributes(self.path.name, self.levels, self.metadata),
        }
        text = json.dumps(about, indent=1)
        with replacing(self.working / "zarr.json", overwrite=True, n_bytes=len(text)) as temporary:
            temporary.write_text(text, encoding="utf-8")
        if self.path.exists():
            replace_folder(self.working, self.path)
        else:
            os.replace(self.working, self.path)
        (self.path / _RECORD).unlink(missing_ok=True)


def working_path(path: Path) -> Path:
    """Return what the volume ``path`` is called until it is whole."""
    return path.with_name(path.name + WORKING_SUFFIX)


def _is_written(file: Path) -> bool:
    """Whether a shard is there; an empty file, as some disks leave after a power cut, is none."""
    return file.is_file() and file.stat().st_size > 0


def _key(place: Size) -> str:
    return "c/" + "/".join(map(str, place))


def _size_of(folder: Path) -> int:
    return sum((Path(parent) / name).lstat().st_size for parent, _, names in os.walk(folder) for name in names)


def _left_over(folder: Path) -> Iterator[Path]:
    """Yield what killed processes left of files they were writing."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names if name.startswith(".") and name.endswith(".part"))
