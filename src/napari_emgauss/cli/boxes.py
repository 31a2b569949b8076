"""Volumes that commands write box by box."""

from __future__ import annotations

from pathlib import Path
from types import FrameType

from rich.markup import escape
from rich.progress import Progress

from napari_emgauss.cli.display import plain_console
from napari_emgauss.cli.terminal import on_signals, printable, quit_at_once
from napari_emgauss.errors import ConfigError
from napari_emgauss.io import WritePaused, read
from napari_emgauss.resampling.boxes import MakePlanes, export_in_boxes
from napari_emgauss.resampling.planes import Planes

SHARDS_ABOVE_BYTES = 2 * 2**30
"""Volumes of more than this are written in shards, where drawing a part costs a part."""


def wants_shards(planes: Planes, path: Path, *, shards: bool, workers: int, whole_planes: bool = False) -> bool:
    """Return whether a volume is written box by box.

    Raises
    ------
    ConfigError
        That was asked for, and the format or the number of workers does not allow it.
    """
    if workers < 1:
        raise ConfigError(f"--workers must be at least 1, got {workers}.")
    if path.suffix.lower() == ".zarr":
        return shards or workers > 1 or (planes.nbytes > SHARDS_ABOVE_BYTES and not whole_planes)
    if shards or workers > 1:
        raise ConfigError(
            f"--shards and --workers write .ome.zarr, got {path.name!r}: other formats are written plane by plane. "
            "Choose another name, or leave them out."
        )
    return False


def write_in_boxes(
    make: MakePlanes,
    path: Path,
    *,
    workers: int,
    fingerprint: str,
    overwrite: bool,
    whole_planes: bool = False,
) -> None:
    """Write a volume with a progress bar; after Ctrl-C the same command goes on where it ended."""
    console = plain_console()
    stopping = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            quit_at_once(signum, frame)
        stopping = True
        raise WritePaused(f"Interrupted; what is written of {path} is kept. The same command goes on.")

    with on_signals(stop), Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"writing {escape(printable(path.name))}", total=None)
        export_in_boxes(
            make,
            path,
            workers=workers,
            whole_planes=whole_planes,
            fingerprint=fingerprint,
            overwrite=overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    volume = read(path)
    z, y, x = volume.shape
    dz, dy, dx = volume.voxel_size_nm
    console.print(f"{z} × {y} × {x} voxels of {dz:g} × {dy:g} × {dx:g} nm: {path}")
