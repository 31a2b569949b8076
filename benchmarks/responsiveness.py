"""Delays of the interface while it opens and a training runs: ``python -m benchmarks.responsiveness [stack.tif]``.

A timer of the GUI thread ticks every millisecond in a real viewer; the gaps between ticks are how long a click would
have waited. The same viewer at rest is the comparison: what napari and the machine cost without us.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

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

    from napari_emgauss._napari.viewer.layers import to_layer

    volume = phantom((61, 192, 192)).every(6) if options.stack is None else thinned(options)
    data, attributes, _ = to_layer(volume, "stack")
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.add_image(data, **attributes)
    settle(QApplication.processEvents, 3.0)
    rows = {"at rest": gaps(options.seconds / 3, lambda: False)}
    figures, widget = opening(viewer)
    view, controller = widget.view, widget.controller
    view.stack.hold_out_choice.setCurrentIndex(1)
    wait(lambda: controller._costs.found is not None)
    announced_s = controller._costs.found.seconds
    start = time.perf_counter()
    view.panel.train_button.click()
    rows["pressing Train"] = np.array([time.perf_counter() - start])
    rows["until the first picture"] = gaps(600, lambda: picture(controller))
    figures["first picture after Train, s"] = time.perf_counter() - start
    rows["training"] = gaps(options.seconds, lambda: controller.run is None)
    shown, begun = [0], time.perf_counter()
    rows["training, slider moving"] = gaps(options.seconds, lambda: scrub(viewer, controller, shown))
    figures["pictures a second, slider moving"] = shown[0] / (time.perf_counter() - begun)
    rows["to the end"] = gaps(3600, lambda: controller.run is None)
    figures["announced, s"], figures["taken, s"] = announced_s, time.perf_counter() - start
    viewer.close()
    show(volume, rows, figures)


def opening(viewer: Any) -> tuple[dict[str, float], Any]:
    """Open Reconstruct as the menu does, before anything of it was imported."""
    from qtpy.QtWidgets import QApplication

    from napari_emgauss._napari.viewer.docked import show_widget

    start = time.perf_counter()
    widget = show_widget(viewer, "Reconstruct")
    QApplication.processEvents()
    sign_s = time.perf_counter() - start
    wait(lambda: widget.is_filled and widget.view.isVisible())
    return {"opening: sign of life, s": sign_s, "opening: usable, s": time.perf_counter() - start}, widget


def picture(controller: Any) -> bool:
    """Whether the isotropic layer shows what is looked at."""
    layer = controller._layers.layer
    return layer is not None and layer.data.has_picture


def scrub(viewer: Any, controller: Any, shown: list[int]) -> bool:
    """Move the slider on as soon as there is a picture, and count; tell whether the training is over."""
    if controller.run is None:
        return True
    if picture(controller):
        shown[0] += 1
        viewer.dims.set_current_step(0, (viewer.dims.current_step[0] + 1) % viewer.dims.nsteps[0])
    return False


def wait(reached: Callable[[], bool]) -> None:
    """Process events until something is reached."""
    from qtpy.QtWidgets import QApplication

    while not reached():
        QApplication.processEvents()
        time.sleep(0.002)


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


def show(volume: Volume, rows: dict[str, np.ndarray], figures: dict[str, float]) -> None:
    """Print the tables."""
    table = Table("", "longest ms", "99.9 % below ms", "median ms", "ticks over 50 ms", title=volume.describe())
    for name, values in rows.items():
        if not len(values):
            continue
        ms = 1000 * values
        cells = (ms.max(), np.percentile(ms, 99.9), np.median(ms))
        table.add_row(name, *(f"{cell:.1f}" for cell in cells), f"{int((ms > 50).sum())} of {len(ms)}")
    console = Console(width=110)
    console.print(table)
    for name, value in figures.items():
        console.print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main(tyro.cli(Options))
