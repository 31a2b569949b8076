"""Pictures of every widget in both themes, for a desktop and a small laptop: ``make screenshots``.

Drives the plugin in a real viewer as a person would, on samples, and writes docs/images/<widget>-<theme>.png
and, in the small window, docs/images/small/; and an animation of scrubbing, docs/images/scrubbing.gif.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any

IMAGES = Path(__file__).parent / "images"
SIZES = {"": (1280, 800), "small": (1000, 700)}
ANIMATED_SIZE, FRAMES, GREYS = (1000, 620), 32, 44
MOST_BYTES = 2_000_000
"""What the hub shows of an animation."""
THEMES = ("dark", "light")
PLUGIN = "napari-emgauss"
WAIT_S = 300.0
CLAIMS = """
import sys
from pathlib import Path
from napari_emgauss.io.atomic import locked_file
from napari_emgauss.io.jobs.claims import LOCK, claimed, worker_name
from napari_emgauss.io.jobs.log import append_entry

job, block = Path(sys.argv[1]), int(sys.argv[2])
with locked_file(job / LOCK, about=worker_name()), claimed(job / f"block-{block:05d}"):
    append_entry(job, "begun", block=block)
    sys.stdin.read()
"""
"""A process that works on a block until its input ends."""


def main() -> None:
    """Write all pictures."""
    from napari.settings import get_settings

    with half_done_job() as job:
        for theme in THEMES:
            get_settings().appearance.theme = theme
            for folder, size in SIZES.items():
                take(theme, IMAGES / folder, size)
                take_assistant(theme, IMAGES / folder, size)
                take_slices(theme, IMAGES / folder, size)
                take_particles(theme, IMAGES / folder, size)
                take_job(theme, IMAGES / folder, size, job)
    get_settings().appearance.theme = THEMES[0]
    animate(IMAGES / "scrubbing.gif")


def animate(path: Path) -> None:
    """Scrub through four sections and write what the window shows."""
    import napari
    import numpy as np
    from PIL import Image

    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window._qt_window.resize(*ANIMATED_SIZE)
    viewer.open_sample(PLUGIN, "phantom")
    reconstruct = open_widget(viewer, "Reconstruct")
    reconstruct.view.settings.preset.setCurrentText("balanced")
    reconstruct.view.panel.train_button.click()
    until(lambda: reconstruct.view.panel.bar.value() > 0)
    until(lambda: reconstruct.controller.run is None)
    explore = open_widget(viewer, "Explore z").controller
    frames = []
    for z in np.linspace(2, 6, FRAMES):
        explore.go_to(float(z))
        until(lambda: not explore.busy)
        settle(0.1)
        shot = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
        shot = shot.resize((shot.width * 3 // 4, shot.height * 3 // 4), Image.Resampling.LANCZOS)
        frames.append(shot.quantize(GREYS, dither=Image.Dither.NONE))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=90, loop=0, optimize=True)
    assert path.stat().st_size < MOST_BYTES, f"{path} has {path.stat().st_size} bytes"
    viewer.close()
    settle(0.3)


def take(theme: str, folder: Path, size: tuple[int, int]) -> None:
    """One walk through the plugin."""
    viewer, shoot = opened(theme, folder, size)
    viewer.open_sample(PLUGIN, "phantom")
    reconstruct = open_widget(viewer, "Reconstruct")
    reconstruct.view.settings.preset.setCurrentText("balanced")  # not what was used last
    until(lambda: "short trial" in reconstruct.view.costs.text())
    shoot("reconstruct")
    reconstruct.view.stack.hold_out_choice.setCurrentIndex(1)
    reconstruct.view.settings._fields["lateral_steps"].setValue(150)
    reconstruct.view.panel.train_button.click()
    until(lambda: reconstruct.view.panel.bar.value() > 0.5 * reconstruct.view.panel.bar.maximum() > 0)
    shoot("training")
    until(lambda: reconstruct.controller.run is None)
    shoot("trained")
    explore = open_widget(viewer, "Explore z").controller
    explore.go_to(4.37)
    until(lambda: not explore.busy)
    shoot("explore")
    explore.view.uncertainty.setChecked(True)
    until(lambda: not explore.busy)
    shoot("uncertainty")
    explore.view.uncertainty.setChecked(False)
    compare = open_widget(viewer, "Compare").controller
    until(lambda: not compare.busy and compare.view.scores.verdict.text())
    shoot("compare")
    export = open_widget(viewer, "Export isotropic").controller
    until(lambda: "voxels" in export.view.summary.text())
    shoot("export")
    viewer.close()
    settle(0.3)


def take_assistant(theme: str, folder: Path, size: tuple[int, int]) -> None:
    """All steps in one dock."""
    from napari_emgauss._napari.training.steps import Step

    viewer, shoot = opened(theme, folder, size)
    viewer.open_sample(PLUGIN, "phantom")
    widget = open_widget(viewer, "Assistant")
    view, controller = widget.view, widget.controller
    view.reconstruct.settings.preset.setCurrentText("balanced")
    view.reconstruct.stack.hold_out_choice.setCurrentIndex(1)
    shoot("assistant")
    view.bar.buttons[Step.TRAIN].click()
    view.reconstruct.settings._fields["lateral_steps"].setValue(150)
    view.reconstruct.panel.train_button.click()
    until(lambda: view.reconstruct.panel.bar.value() > 0.5 * view.reconstruct.panel.bar.maximum() > 0)
    shoot("assistant-training")
    until(lambda: view.step is Step.LOOK and not controller.look.scoring.busy)
    view.look.orientations["xz"].click()
    view.look.side_by_side.click()
    shoot("assistant-look")
    viewer.close()
    settle(0.3)


def take_slices(theme: str, folder: Path, size: tuple[int, int]) -> None:
    """From slices to a volume."""
    from napari_emgauss._napari.training.steps import Step

    viewer, shoot = opened(theme, folder, size)
    viewer.open_sample(PLUGIN, "moving_brain")
    slices = open_widget(viewer, "Slices to volume")
    shoot("slices")
    slices.view.panel.train_button.click()
    until(lambda: slices.view.panel.bar.value() > 0.5 * slices.view.panel.bar.maximum() > 0)
    shoot("slices-training")
    until(lambda: not slices.controller.busy)
    slices.view.result.table.table.selectRow(0)
    until(lambda: not slices.view.result.pair.isHidden())
    slices.controller.go_to(Step.EXPORT)
    shoot("slices-trained")
    viewer.close()
    settle(0.3)


def take_particles(theme: str, folder: Path, size: tuple[int, int]) -> None:
    """From particles to a map."""
    from napari_emgauss._napari.training.steps import Step

    viewer, shoot = opened(theme, folder, size)
    viewer.open_sample(PLUGIN, "particles")
    particles = open_widget(viewer, "Particles to map")
    until(lambda: not particles.controller.busy)
    shoot("particles")
    particles.view.panel.train_button.click()
    until(lambda: particles.view.panel.bar.value() > 0.55 * particles.view.panel.bar.maximum() > 0)
    shoot("particles-training")
    until(lambda: not particles.controller.busy)
    particles.controller.go_to(Step.LOOK)
    shoot("particles-trained")
    viewer.close()
    settle(0.3)


def take_job(theme: str, folder: Path, size: tuple[int, int], job: Path) -> None:
    """A job that runs in other processes."""
    from napari_emgauss.io.jobs import BlockState

    viewer, shoot = opened(theme, folder, size)
    (layer,) = viewer.open(job.with_name("cells.ome.zarr"), plugin=PLUGIN)
    layer.colormap = "gray"
    widget = open_widget(viewer, "Job")
    widget.view.folder.set_path(job)
    controller = widget.controller
    until(lambda: any(layer.name.endswith("blocks") for layer in viewer.layers))
    until(lambda: controller.status.count(BlockState.RUNNING) == 2)
    controller._show_block(controller.status.states.index(BlockState.RUNNING))
    isotropic = next(layer for layer in viewer.layers if layer.name.endswith("isotropic"))
    until(lambda: isotropic.data.has_picture and not isotropic.data.busy)
    shoot("job")
    viewer.close()
    settle(0.3)


@contextmanager
def half_done_job() -> Iterator[Path]:
    """Train four of the nine blocks of a job, and have two processes claim others."""
    import napari_emgauss as eg
    from napari_emgauss.phantoms import phantom
    from napari_emgauss.training import Control, Event, Improved

    control, done = Control(), []

    def stop_after_four(event: Event) -> None:
        if isinstance(event, Improved) and event.block is not None:
            done.append(event.block)
        if len(done) == 4:
            control.stop(at_once=True)

    with sensible_folder() as folder:
        job = folder / "cells.job"
        stack = eg.read(eg.write(phantom((61, 128, 128), seed=7).every(6), job.with_name("cells.ome.zarr")))
        settings = {"preset": "fast", "tile_px": 72, "checkpoint": job}
        eg.reconstruct(stack, **settings, on_event=stop_after_four, control=control)
        left = sorted(set(range(9)) - set(done))
        words = [sys.executable, "-c", CLAIMS, str(job)]
        workers = [subprocess.Popen([*words, str(block)], stdin=subprocess.PIPE) for block in left[:2]]
        yield job
        for worker in workers:
            worker.communicate()


@contextmanager
def sensible_folder() -> Iterator[Path]:
    """Make a folder for a moment whose name, which pictures show, is one that a person would give."""
    folder = Path(gettempdir()) / "stacks"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def opened(theme: str, folder: Path, size: tuple[int, int]) -> tuple[Any, Callable[[str], None]]:
    """Open a viewer; return it, and what takes a picture of it."""
    import napari

    folder.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window._qt_window.resize(*size)

    def shoot(name: str) -> None:
        settle(0.7)
        viewer.screenshot(str(folder / f"{name}-{theme}.png"), canvas_only=False, flash=False)

    return viewer, shoot


def open_widget(viewer: Any, name: str) -> Any:
    """Open a widget of the plugin as the menu does, over those open already."""
    from napari_emgauss._napari.viewer.docked import show_widget

    widget = show_widget(viewer, name)
    until(lambda: widget.is_filled)
    return widget


def settle(seconds: float) -> None:
    """Let the interface draw."""
    until(lambda: False, seconds, needed=False)


def until(reached: Callable[[], Any], seconds: float = WAIT_S, *, needed: bool = True) -> None:
    """Process events until something is reached."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            if needed:
                raise TimeoutError("the interface did not get there")
            return
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
