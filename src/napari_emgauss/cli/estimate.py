"""``napari-emgauss estimate``: what a volume will take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import Positional

from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss.presets import PRESET_NOTES, PresetName
from napari_emgauss.runtime.device import DeviceName
from napari_emgauss.units import format_bytes, format_duration

if TYPE_CHECKING:
    from napari_emgauss.planning import Forecast


@dataclass(frozen=True, kw_only=True)
class EstimateCommand:
    """Tell what a stack's isotropic volume takes: time, memory and disk, from a short trial on this machine."""

    stack: Positional[Path]
    """The stack: a file, a folder or a URL."""
    workers: int = 1
    """Also tell the time of so many processes, each on a machine like this one."""
    preset: Annotated[PresetName, tyro.conf.arg(help=" ".join(f"{k}: {note}" for k, note in PRESET_NOTES.items()))] = (
        "balanced"
    )
    device: DeviceName = "auto"
    """Where to train; auto takes the GPU if it works."""
    voxel_size_nm: tuple[float, float, float] | None = None
    """Voxel size z y x in nanometres, like 40 4 4; needed where the file does not say."""
    dataset: str | None = None
    """Name of the dataset in an HDF5 file or N5 with several."""
    folder: Path | None = None
    """Where the volume is to be; the current folder by default."""
    set: tuple[str, ...] = ()
    """Other settings as name=value, as for reconstruct."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Try the ways to the volume and print a table."""
        from napari_emgauss.cli.display import plain_console
        from napari_emgauss.cli.settings import parse_settings
        from napari_emgauss.io import read
        from napari_emgauss.planning import forecast

        if self.workers < 1:
            raise ConfigError(f"--workers must be at least 1, got {self.workers}.")
        volume = read(self.stack, voxel_size_nm=self.voxel_size_nm, dataset=self.dataset)
        console = plain_console()
        console.print(volume.describe())
        found = forecast(volume, preset=self.preset, folder=self.folder, device=self.device, **parse_settings(self.set))
        assert found is not None  # nothing stops it
        console.print("\n".join(lines(found, self.workers)))
        return 0


def lines(found: Forecast, workers: int) -> list[str]:
    """Return the table, and what does not fit."""
    ways = found.ways
    rows = [
        ("", *(way.name for way in ways)),
        ("blocks", *(f"{way.n_blocks:,}" for way in ways)),
        ("voxels per second", *(f"{_digits(found.voxels_per_second(way)):,}" for way in ways)),
        ("time", *(format_duration(way.seconds) for way in ways)),
    ]
    if workers > 1:
        rows.append(
            (f"time, {workers} workers like this machine", *(format_duration(way.seconds_by(workers)) for way in ways))
        )
    packed = format_bytes(found.packed_share * found.n_bytes)
    rows += [
        ("memory of a worker", *(format_bytes(way.worker_bytes) for way in ways)),
        ("disk: volume, packed", *(packed for _ in ways)),
        ("disk: models", *(format_bytes(way.model_bytes) if way.model_bytes else "–" for way in ways)),
        ("disk: job folder, at most", *(format_bytes(way.folder_bytes) if way.folder_bytes else "–" for way in ways)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    here = (
        f"This machine: {found.n_cores} core{'s' if found.n_cores > 1 else ''}, "
        f"{format_bytes(found.free_memory)} of memory free, {format_bytes(found.free_disk)} of disk."
    )
    return [*table, "", here, *misfits(found)]


def misfits(found: Forecast) -> list[str]:
    """Say what this machine has no room for, and what to do."""
    said = []
    if found.n_bytes > found.free_disk:
        said.append(
            f"The volume may need {format_bytes(found.n_bytes)} before it is packed, more than the disk has. "
            "Write to another one (--folder), or export a part."
        )
    for way in found.ways:
        if way.worker_bytes > found.free_memory:
            said.append(
                f"{way.name} needs {format_bytes(way.worker_bytes)} of memory, more than is free. "
                "Take smaller tiles (--set tile_px=256)."
            )
    return said


def _digits(value: float) -> int:
    """Return a number rounded to two digits."""
    rounded = float(f"{value:.2g}")
    return int(rounded)
