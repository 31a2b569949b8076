"""Files that commands write."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from napari_emgauss.cli.display import plain_console
from napari_emgauss.errors import FileFormatError
from napari_emgauss.evaluation import Evaluation
from napari_emgauss.io import WRITABLE_SUFFIXES, write
from napari_emgauss.volume import Volume


def refuse_existing(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Raise `FileExistsError` before any work is done, unless outputs may be replaced."""
    for path in paths:
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists. Choose another name, or add --overwrite to replace it.")


def check_writable(path: Path) -> None:
    """Raise `FileFormatError` before any work is done, unless the volume can be written under this name."""
    if not path.name.lower().endswith(tuple(WRITABLE_SUFFIXES)):
        raise FileFormatError(f"a volume is written as {', '.join(WRITABLE_SUFFIXES)}, got {path.name!r}.")


def export_volume(volume: Volume, path: Path, *, overwrite: bool, console: Console | None = None) -> None:
    """Stream the volume to ``path`` with a progress bar; Ctrl-C cancels and leaves nothing behind."""
    console = console or plain_console()
    cancelled = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    main_thread = threading.current_thread() is threading.main_thread()
    if main_thread:
        signal.signal(signal.SIGINT, lambda *_: cancelled.set())
    try:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task(f"writing {escape(path.name)}", total=volume.shape[0])
            write(
                volume,
                path,
                overwrite=overwrite,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
                cancelled=cancelled.is_set,
            )
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, before)
    z, y, x = volume.shape
    dz, dy, dx = volume.voxel_size_nm
    console.print(f"{z} × {y} × {x} voxels of {dz:g} × {dy:g} × {dx:g} nm: {path}")


def write_results(result: Evaluation, folder: Path) -> list[Path]:
    """Write the table as text, CSV and JSON, and the figure; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("metrics.txt", "metrics.csv", "metrics.json", "comparison.png")]
    paths[0].write_text(f"{result.table()}\n\n{result.verdict()}\n", encoding="utf-8")
    result.to_csv(paths[1])
    result.to_json(paths[2])
    result.figure(paths[3])
    return paths
