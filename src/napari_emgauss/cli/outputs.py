"""Files that commands write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from napari_emgauss._types import ArrayLike3D
from napari_emgauss.cli.display import plain_console
from napari_emgauss.cli.terminal import on_signals, printable, quit_at_once
from napari_emgauss.errors import ConfigError, FileFormatError
from napari_emgauss.evaluation import Evaluation
from napari_emgauss.io import WRITABLE_SUFFIXES, read, write
from napari_emgauss.io.atomic import check_target, try_writing
from napari_emgauss.resampling.boxes import MakePlanes, export_in_boxes
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.volume import Volume

SHARDS_ABOVE_BYTES = 2 * 2**30
"""Volumes of more than this are written in shards, where drawing a part costs a part."""


def check_outputs(paths: Sequence[Path], *, inputs: Sequence[Path] = (), overwrite: bool) -> None:
    """Try the outputs of a command before any work is done for them.

    Raises
    ------
    FileExistsError
        One exists and may not be replaced, or is an input, or the same as another.
    OSError
        One cannot be written: a folder is in its place, its own folder is missing or read-only, its name too long.
    """
    check_not_inputs(paths, inputs)
    for n, path in enumerate(paths):
        if any(_same(path, other) for other in paths[:n]):
            raise FileExistsError(f"{path} is named for two outputs. Choose another name for one.")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists. Choose another name, or add --overwrite to replace it.")
        check_target(path, overwrite=True)
        try_writing(path)


def check_not_inputs(paths: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise ``FileExistsError`` where an output of a command is an input, by whatever name."""
    for path in paths:
        if any(_same(path, other) for other in inputs):
            raise FileExistsError(f"{path} is the input; it is never replaced. Choose another name for the output.")


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve() or (first.exists() and second.exists() and first.samefile(second))


def save_model(model: Any, path: Path, console: Console, *, otherwise: Sequence[Path]) -> Path:
    """Save a model; where that fails, into the first folder of ``otherwise`` that takes it: hours may be in it.

    Returns
    -------
    Where it is.

    Raises
    ------
    OSError
        It could be saved nowhere.
    """
    try:
        return Path(model.save(path))
    except OSError as error:
        for folder in otherwise:
            try:
                kept = Path(model.save(folder / path.name))
            except OSError:
                continue
            console.print(
                f"The model could not be saved to {path} ({error.strerror or error}). It is kept: {kept}. "
                "Move it to where it should be."
            )
            return kept
        raise


def other_places(checkpoint: Path | None) -> list[Path]:
    """Return folders for a model that cannot be saved where it should be."""
    return [folder for folder in (checkpoint, Path(tempfile.gettempdir()), Path.home()) if folder is not None]


def write_with_model(
    write: Callable[[Path], object],
    result: Any,
    output: Path,
    model: Path | None,
    console: Console,
    *,
    checkpoint: Path | None,
) -> bool:
    """Write what a model draws, and the model itself where it has a name, or where the rest fails: hours may be in it.

    Returns
    -------
    Whether both are where they should be.

    Raises
    ------
    OSError, ValueError, RuntimeError
        What is drawn could not be written; where the model is was told.
    """
    places = [output.parent, *other_places(checkpoint)]
    try:
        write(output)
    except (OSError, ValueError, RuntimeError, MemoryError):
        kept = save_model(result, model or _free_name(output), console, otherwise=places)
        console.print(f"What was learned is in {kept}; napari-emgauss export writes it anew.")
        raise
    return model is None or save_model(result, model, console, otherwise=places) == model


def _free_name(output: Path) -> Path:
    """Return a name beside an output for a model that nobody has named."""
    stem, n = output.name.removesuffix(".gz").rpartition(".")[0], 1
    while (path := output.with_name(f"{stem}.kept{n if n > 1 else ''}.emgauss")).exists():
        n += 1
    return path


def tell_of_checkpoints(folder: Path | None, console: Console) -> None:
    """Say that a training goes on, if a folder for checkpoints holds anything that was learned.

    Raises
    ------
    NotADirectoryError
        It is a file.
    FileFormatError
        It holds a training of a version that this one cannot continue.
    """
    from napari_emgauss.io.store import JobFolder, check_folder

    if folder is None:
        return
    check_folder(folder)
    if JobFolder(folder, "").exists():
        console.print(f"Continuing from the checkpoints in {folder}.")


def check_writable(path: Path) -> None:
    """Raise `FileFormatError` before any work is done, unless the volume can be written under this name."""
    if not path.name.lower().endswith(tuple(WRITABLE_SUFFIXES)):
        raise FileFormatError(f"a volume is written as {', '.join(WRITABLE_SUFFIXES)}, got {path.name!r}.")


def export_volume(volume: Volume, path: Path, *, overwrite: bool, console: Console | None = None) -> None:
    """Stream the volume to ``path`` with a progress bar; Ctrl-C cancels at once and leaves nothing behind."""
    console = console or plain_console()
    planes = _Interruptible(volume.data)
    with on_signals(planes.cancel), Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"writing {escape(printable(path.name))}", total=volume.shape[0])
        write(
            replace(volume, data=planes),
            path,
            overwrite=overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            cancelled=lambda: planes.cancelled,
        )
    z, y, x = volume.shape
    dz, dy, dx = volume.voxel_size_nm
    console.print(f"{z} × {y} × {x} voxels of {dz:g} × {dy:g} × {dx:g} nm: {path}")


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
        raise KeyboardInterrupt(f"Interrupted; what is written of {path} is kept. The same command goes on.")

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


class _Interruptible:
    """Planes whose drawing, which may take minutes, a signal ends; their writing comes to its end first."""

    def __init__(self, data: ArrayLike3D) -> None:
        self._data = data
        self._drawing = self.cancelled = False
        self.shape, self.dtype = data.shape, data.dtype
        self.chunks = getattr(data, "chunks", None)

    def __getitem__(self, key: Any) -> Any:
        self._drawing = True
        try:
            return self._data[key]
        finally:
            self._drawing = False

    def cancel(self, signum: int, frame: FrameType | None) -> None:
        """Cancel once; quit when asked again."""
        if self.cancelled:
            quit_at_once(signum, frame)
        self.cancelled = True
        if self._drawing:
            raise KeyboardInterrupt  # nothing that is being done may take it for an error of its own


def check_results_folder(folder: Path) -> None:
    """Make a folder for results, and raise ``OSError`` unless it can be written to, before any work is done."""
    folder.mkdir(parents=True, exist_ok=True)
    try_writing(folder / "metrics.txt")


def write_results(result: Evaluation, folder: Path) -> list[Path]:
    """Write the table as text, CSV and JSON, and the figure; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("metrics.txt", "metrics.csv", "metrics.json", "comparison.png")]
    paths[0].write_text(f"{result.table()}\n\n{result.verdict()}\n", encoding="utf-8")
    result.to_csv(paths[1])
    result.to_json(paths[2])
    result.figure(paths[3])
    return paths
