"""Explore z in a real viewer: how closely a section follows the slider, and how long the GUI thread is held up.

xvfb-run -a -s "-screen 0 1400x1000x24" python -m benchmarks.explore [--sizes 500 4096] [--seconds 5]
"""

from __future__ import annotations

import argparse
import time
import weakref
from dataclasses import replace

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

import napari_emgauss as eg
from napari_emgauss._napari.explore.widget import ExploreWidget
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss.blocks import Plan
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.model.stored import MemoryModels
from napari_emgauss.phantoms import phantom

SECTIONS = 4


def cheap_model(size: int) -> eg.Reconstruction:
    """A hardly trained model of a section of any size, with as many Gaussians as a real one: all tiles are the same."""
    side = min(size, EmgaussConfig().blocks.tile_px)
    stack = phantom((SECTIONS, side, side), seed=0)
    tile = eg.reconstruct(eg.Volume(stack.data, (40, 4, 4)), preset="fast", joint=1, bootstrap=0)
    blocks, shape = tile.config.blocks, (SECTIONS, size, size)
    plan = Plan.of(
        shape,
        bundle_sections=blocks.bundle_sections,
        bundle_overlap=blocks.bundle_overlap,
        tile_px=blocks.tile_px,
        tile_overlap_px=blocks.tile_overlap_px,
    )
    return replace(tile, shape=shape, plan=plan, models=MemoryModels([*tile.models] * len(plan.blocks)))


class Stopwatch:
    """Longest time between two turns of the event loop, and the pictures that arrived."""

    def __init__(self, widget: ExploreWidget) -> None:
        self.longest_s, self.pictures = 0.0, 0
        self._last = time.perf_counter()
        self._timer = QTimer(widget)
        self._timer.timeout.connect(self._turn)
        self._timer.start(0)
        section = widget.controller.canvas.section
        show = section.show

        def counted(*args: object) -> bool:
            self.pictures += 1
            return show(*args)

        section.show = counted

    def _turn(self) -> None:
        now = time.perf_counter()
        self.longest_s, self._last = max(self.longest_s, now - self._last), now

    def restart(self) -> None:
        """Begin anew."""
        self.longest_s, self.pictures, self._last = 0.0, 0, time.perf_counter()


def follow(widget: ExploreWidget, stopwatch: Stopwatch, seconds: float) -> None:
    """Sweep the slider as a hand would, 60 positions a second."""
    stopwatch.restart()
    start, cpu_start_s = time.perf_counter(), time.thread_time()
    while (elapsed := time.perf_counter() - start) < seconds:
        widget.view.slider.setValue((SECTIONS - 1) * (0.5 - 0.5 * np.cos(elapsed)))
        until = time.perf_counter() + 1 / 60
        while time.perf_counter() < until:
            QApplication.processEvents()
            time.sleep(0.001)
    layer, cpu_s = widget.controller.layer, time.thread_time() - cpu_start_s
    print(
        f"  {stopwatch.pictures / seconds:5.1f} pictures/s of {layer.data.shape[1]} × {layer.data.shape[2]} px, "
        f"{cpu_s / max(stopwatch.pictures, 1) * 1e3:.1f} ms of the GUI thread each, "
        f"longest turn of the event loop {stopwatch.longest_s * 1e3:.0f} ms"
    )


def measure(size: int, seconds: float, *, painted: bool) -> None:
    reconstruction = cheap_model(size)
    print(f"{size} × {size} px, {reconstruction.n_gaussians:,} Gaussians in {SECTIONS} sections")
    viewer = napari.Viewer(show=painted)
    viewer.window.resize(1280, 900)
    stack = np.zeros(reconstruction.shape, np.uint8)
    layer = viewer.add_image(stack, scale=(40, 4, 4), units=("nm",) * 3, contrast_limits=(0, 255))
    model = OpenModel("model", reconstruction, LayerPlacement.of(layer), source=weakref.ref(layer))
    open_models(viewer).add(model)
    widget = ExploreWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right")
    stopwatch = Stopwatch(widget)
    widget.controller.go_to(0.5)
    settle(widget)
    print("whole section in view:")
    follow(widget, stopwatch, seconds)
    stopwatch.restart()
    start = time.perf_counter()
    settle(widget)
    print(f"  sharp after {time.perf_counter() - start:.2f} s, longest turn {stopwatch.longest_s * 1e3:.0f} ms")
    viewer.scene.camera.zoom *= 4
    print("a quarter of its width in view:")
    follow(widget, stopwatch, seconds)
    settle(widget)
    viewer.close()


def napari_alone(side_px: int, seconds: float) -> float:
    """Pictures a second of a layer of one plane that is given new pixels and moved along z, with nothing to compute."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 900)
    viewer.add_image(np.zeros((SECTIONS, side_px, side_px), np.uint8), scale=(40, 4, 4))
    layer = viewer.add_image(np.zeros((1, side_px, side_px), np.float32), scale=(40, 4, 4))
    pictures, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        z = (SECTIONS - 1) * 40 * (pictures % 100) / 100
        layer.data[0] = pictures % 7
        layer.translate = (z, 0, 0)
        viewer.dims.set_point(0, z)
        for _ in range(3):
            QApplication.processEvents()
        pictures += 1
    viewer.close()
    return pictures / seconds


def settle(widget: ExploreWidget) -> None:
    """Wait until the section rests, sharp."""
    while widget.controller.busy:
        QApplication.processEvents()
        time.sleep(0.001)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 4096])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument(
        "--unpainted", action="store_true", help="hide the window: what a graphics card would do costs nothing"
    )
    arguments = parser.parse_args()
    if not arguments.unpainted:
        print(f"napari alone, a plane of 372 × 372 px: {napari_alone(372, arguments.seconds):.1f} pictures/s")
    for size in arguments.sizes:
        measure(size, arguments.seconds, painted=not arguments.unpainted)


if __name__ == "__main__":
    main()
