"""Memory of workers against the size of the volume, and a volume larger than the memory that anybody may have."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

import napari_emgauss as eg
from benchmarks.jobs.commands import Commands
from benchmarks.jobs.limits import Counted, limited
from benchmarks.jobs.trained import check
from benchmarks.jobs.used import Used
from benchmarks.large_volume import mirrored_index
from napari_emgauss.io.ome_zarr import ShardedVolume
from napari_emgauss.phantoms import phantom
from napari_emgauss.units import format_bytes

VOXEL_NM = 8.0
COLUMNS = (
    "| sections | volume | its bytes | models | allowed | workers | blocks | seconds | CPU seconds "
    "| command (MiB) | largest worker (MiB) |"
)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Train on stacks of growing size, keep no models, and tell the peak of every process."""

    sides: tuple[tuple[int, int], ...] = ((448, 448), (896, 896), (896, 1792))
    """Rows and columns of the sections of each stack, in px."""
    sections: int = 7
    """Sections of the stacks."""
    factor: int = 6
    """Their distance, in px."""
    dtype: str = "uint8"
    """Type of the intensities."""
    limit_bytes: int = 0
    """Memory that is allowed; 0: everything."""
    counted: Counted = "allocated"
    """What the limit is of: what each process allocates (RLIMIT_DATA), its address space (ulimit -v), or what the
    command and its workers take all together (a control group, for which one has to be root)."""
    workers: int = 2
    """Workers."""
    preset: str = "fast"
    """Preset."""
    set: tuple[str, ...] = ("tile_px=256", "pseudo_sections=1", "newton_steps=1", "adapt_spacing=false")
    """Other settings; these make much memory of little time."""
    folder: Path | None = None
    """Where to write; a temporary folder by default."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File for the table, written as it goes."""

    def run(self) -> str:
        """Return the table."""
        lines = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|"]
        for height, width in self.sides:
            with (
                tempfile.TemporaryDirectory(dir=self.folder) as name,
                limited(self.limit_bytes, self.counted) as first,
            ):
                lines.append(self._row(Commands(Path(name), first), height, width))
            sys.stderr.write(lines[-1] + "\n")
            if self.output is not None:
                self.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return "\n".join(lines)

    def _row(self, commands: Commands, height: int, width: int) -> str:
        folder = commands.folder
        stack, volume, job = folder / "stack.ome.zarr", folder / "volume.ome.zarr", folder / "job"
        self._write_stack(stack, height, width)
        begun = time.time()
        running = commands.start(
            "reconstruct", str(stack), "--export", str(volume), "--keep-models", "no", "--checkpoint", str(job),
            "--workers", str(self.workers), "--preset", self.preset, *(["--set", *self.set] if self.set else []),
        )  # fmt: skip
        used, models, ended = Used(running), _Models(job), False
        while not ended:
            ended = not running.is_running
            used.sample()
            models.look()
            time.sleep(0.2)
        seconds = time.time() - begun
        check(running)
        written = eg.read(volume)
        observed, drawn = eg.read(stack).section(1), written.section(self.factor)
        if np.corrcoef(observed.ravel(), drawn.ravel())[0, 1] < 0.9:
            raise RuntimeError("the volume is not that of the stack")
        n_bytes = math.prod(written.shape) * np.dtype(self.dtype).itemsize
        shapes = [" × ".join(map(str, shape)) for shape in ((self.sections, height, width), written.shape)]
        allowed = f"{format_bytes(self.limit_bytes)}, {self.counted}" if self.limit_bytes else "–"
        return (
            f"| {shapes[0]} | {shapes[1]}, {self.dtype} | {format_bytes(n_bytes)} | {format_bytes(models.n_bytes)} "
            f"| {allowed} | {self.workers} | {len(models.sizes)} | {seconds:.0f} | {used.until(time.time()):.0f} "
            f"| {used.largest_mib(workers=False):.0f} | {used.largest_mib(workers=True):.0f} |"
        )

    def _write_stack(self, path: Path, height: int, width: int) -> None:
        piece = np.asarray(phantom((25, 256, 256), seed=0).data)[::6].astype(self.dtype)
        shape = (self.sections, height, width)
        voxel_nm = (self.factor * VOXEL_NM, VOXEL_NM, VOXEL_NM)
        stack = ShardedVolume.begin(path, shape=shape, dtype=piece.dtype, voxel_size_nm=voxel_nm, chunk=(4, 128, 128))
        across = [mirrored_index(n, have) for n, have in zip(shape, piece.shape, strict=True)]
        for box in stack.boxes:
            stack.write(box, piece[np.ix_(*(index[part] for index, part in zip(across, box.slices, strict=True)))])
        stack.finish()


@dataclass(frozen=True, kw_only=True)
class LargerThanMemory(Memory):
    """Make a volume that has more bytes than its processes may take."""

    sides: tuple[tuple[int, int], ...] = ((768, 768),)
    """Rows and columns of the sections of each stack, in px."""
    factor: int = 110
    """Their distance, in px."""
    dtype: str = "float32"
    """Type of the intensities."""
    limit_bytes: int = 1_500_000_000
    """Memory that is allowed."""


class _Models:
    """Sizes of the models in a job's folder, seen before they are dropped."""

    def __init__(self, job: Path) -> None:
        self._job = job
        self.sizes: dict[str, int] = {}

    def look(self) -> None:
        """Look at those that are there."""
        for path in self._job.glob("block-*/done"):
            try:
                self.sizes[path.parent.name] = path.stat().st_size
            except FileNotFoundError:
                continue

    @property
    def n_bytes(self) -> int:
        """All of them together."""
        return sum(self.sizes.values())
