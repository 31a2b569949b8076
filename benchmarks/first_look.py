"""Seconds from Train to something to look at: ``python -m benchmarks.first_look stack.tif``.

Presses Train in a real viewer, as a person does, and notes when there is a preview, a first whole that can be scrubbed,
and what the run panel says meanwhile; after ``seconds`` it stops and keeps. Also how fast the prior alone interpolates.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.responsiveness import settle
from napari_emgauss.io import read
from napari_emgauss.phantoms import phantom
from napari_emgauss.resampling.interpolated import InterpolatedStack
from napari_emgauss.volume import Volume


@dataclass(frozen=True)
class Options:
    """First preview, first whole, and what was said."""

    stack: Annotated[Path | None, tyro.conf.Positional] = None
    """Stack to train on; a phantom of 11 sections of 192 × 192 px where there is none."""
    voxel_size_nm: tuple[float, float, float] = (48, 8, 8)
    """Voxel size z y x, used where the file gives none."""
    every: int = 1
    """Keep every n-th section of the file."""
    sections: int | None = None
    """Keep so many of these."""
    side_px: int | None = None
    """Keep so many pixels along y and x."""
    preset: str = "balanced"
    """Preset."""
    seconds: float = 60.0
    """When to stop and keep."""
    screenshots: Path | None = None
    """Folder for pictures: of the first whole, while it is refined, and at the end."""
    theme: str = "dark"
    """Theme of napari."""


def main(options: Options) -> None:
    """Measure and print."""
    volume = part(options)
    table = Table("seconds", "what", title=volume.describe())
    for second, what in walk(options, volume):
        table.add_row(f"{second:.1f}", what)
    console = Console(width=120)
    console.print(table)
    console.print(speed(volume))


def part(options: Options) -> Volume:
    """The stack to train on."""
    if options.stack is None:
        return phantom((61, 192, 192)).every(6)
    volume = read(options.stack, voxel_size_nm=options.voxel_size_nm).every(options.every)
    data, side = volume.as_float()[: options.sections], options.side_px
    return Volume(data[:, :side, :side].astype(volume.dtype), volume.voxel_size_nm)


def walk(options: Options, volume: Volume) -> list[tuple[float, str]]:
    """Press Train, look, stop and keep; return what happened when."""
    import napari
    from napari.settings import get_settings
    from qtpy.QtWidgets import QApplication

    from napari_emgauss._napari.reconstruct.widget import ReconstructWidget
    from napari_emgauss._napari.viewer.layers import to_layer
    from napari_emgauss._napari.viewer.models import open_models

    get_settings().appearance.theme = options.theme
    data, attributes, _ = to_layer(volume, "stack")
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window._qt_window.resize(1280, 800)
    viewer.add_image(data, **attributes)
    widget = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Reconstruct")
    widget.view.settings.preset.setCurrentText(options.preset)
    panel, process = widget.view.panel, QApplication.processEvents
    settle(process, 3.0)
    told: list[tuple[float, str]] = []
    start = time.perf_counter()

    def note(what: str) -> None:
        if what and all(what != said for _, said in told):
            told.append((time.perf_counter() - start, what))

    def shoot(name: str) -> None:
        if options.screenshots is not None:
            options.screenshots.mkdir(parents=True, exist_ok=True)
            path = options.screenshots / f"{name}-{options.theme}.png"
            viewer.screenshot(str(path), canvas_only=False, flash=False)

    def look() -> None:
        if any("preview" in layer.name for layer in viewer.layers):
            note("a preview is shown")
        for model in open_models(viewer):
            note(f"'{model.name}' can be scrubbed, shown in 3 planes and exported")
        note(panel.on_screen.text().partition(",")[0])
        note(f"status: {panel.status.text().partition(' · ')[0]}")

    panel.train_button.click()
    note("the click has returned")
    until(lambda: panel.on_screen.text().startswith("On screen · draft") or widget.controller.run is None, 60, look)
    settle(process, 0.5)
    shoot("draft")
    until(lambda: widget.controller.run is None, options.seconds - (time.perf_counter() - start), look)
    shoot("later")
    if widget.controller.run is not None:
        panel.stop_button.click()
        note("Stop and keep is pressed")
        until(lambda: widget.controller.run is None, 600, look)
    look()
    told.append((time.perf_counter() - start, panel.status.text()))
    settle(process, 0.5)
    shoot("end")
    viewer.close()
    return told


def until(reached: Callable[[], bool], seconds: float, look: Callable[[], Any]) -> None:
    """Process events and look until something is reached or the time is over."""
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    while not reached() and time.perf_counter() < end:
        QApplication.processEvents()
        look()
        time.sleep(0.01)


def speed(volume: Volume) -> str:
    """How fast the prior alone interpolates the stack, one plane in the middle of each gap."""
    stack = InterpolatedStack(volume, "learned")
    stack.render(0.5)
    start, gaps = time.perf_counter(), range(1, min(volume.n_sections - 1, 20))
    for gap in gaps:
        stack.render(gap + 0.5)
    mega = len(gaps) * volume.shape[1] * volume.shape[2] / 1e6
    return f"interpolate --method learned: {mega / (time.perf_counter() - start):.2f} Mpx of input per second"


if __name__ == "__main__":
    main(tyro.cli(Options))
