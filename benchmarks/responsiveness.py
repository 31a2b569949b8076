"""Delays of the interface while a training runs: ``python -m benchmarks.responsiveness [stack.tif]``.

A timer of the GUI thread ticks every millisecond in a real viewer; the gaps between ticks are how long a click would
have waited. The same viewer at rest is the comparison: what napari and the machine cost without us.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from napari_emgauss.io import read
from napari_emgauss.phantoms import phantom
from napari_emgauss.volume import Volume


@dataclass(frozen=True)
class Options:
    """Longest and typical block of the GUI thread."""

    stack: Annotated[Path | None, tyro.conf.Positional] = None
    """Stack to train on; a phantom of 11 sections of 192 × 192 px where there is none."""
    voxel_size_nm: tuple[float, float, float] = (48, 8, 8)
    """Voxel size z y x, used where the file gives none."""
    every: int = 1
    """Keep every n-th section of the file."""
    seconds: float = 15.0
    """How long each measurement lasts at most."""


def main(options: Options) -> None:
    """Measure and print."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_emgauss._napari.reconstruct.widget import ReconstructWidget
    from napari_emgauss._napari.viewer.layers import to_layer

    volume = phantom((61, 192, 192)).every(6) if options.stack is None else thinned(options)
    data, attributes, _ = to_layer(volume, "stack")
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.add_image(data, **attributes)
    widget = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Reconstruct")
    settle(QApplication.processEvents, 5.0)
    rows = {"at rest": gaps(options.seconds / 3, lambda: False)}
    widget.view.stack.hold_out_choice.setCurrentIndex(1)
    settle(QApplication.processEvents, 2.0)
    start = time.perf_counter()
    widget.view.panel.train_button.click()
    rows["pressing Train"] = np.array([time.perf_counter() - start])
    rows["training"] = gaps(options.seconds, lambda: widget.controller.run is None)
    if widget.controller.run is not None:
        widget.view.panel.stop_button.click()
        rows["stopping"] = gaps(10, lambda: widget.controller.run is None)
    viewer.close()
    show(volume, rows)


def thinned(options: Options) -> Volume:
    """The stack to train on."""
    assert options.stack is not None
    return read(options.stack, voxel_size_nm=options.voxel_size_nm).every(options.every)


def settle(process: object, seconds: float) -> None:
    """Let windows appear and estimates finish."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        process()  # type: ignore[operator]
        time.sleep(0.01)


def gaps(seconds: float, ended: object) -> np.ndarray:
    """Seconds between ticks of a millisecond timer, in Qt's own event loop."""
    from qtpy.QtCore import QEventLoop, Qt, QTimer

    ticks: list[float] = []
    loop, end = QEventLoop(), time.perf_counter() + seconds

    def tick() -> None:
        ticks.append(time.perf_counter())
        if ticks[-1] > end or ended():  # type: ignore[operator]
            loop.quit()

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(1)
    loop.exec()
    timer.stop()
    return np.diff(ticks)


def show(volume: Volume, rows: dict[str, np.ndarray]) -> None:
    """Print the table."""
    table = Table("", "longest ms", "99.9 % below ms", "median ms", "ticks over 50 ms", title=volume.describe())
    for name, values in rows.items():
        ms = 1000 * values
        cells = (ms.max(), np.percentile(ms, 99.9), np.median(ms))
        table.add_row(name, *(f"{cell:.1f}" for cell in cells), f"{int((ms > 50).sum())} of {len(ms)}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main(tyro.cli(Options))
