"""Slices to volume between its form, the viewer and the session that trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_emgauss._napari.controls.notify import EXPLAINED, report
from napari_emgauss._napari.svr.result.controller import ResultController
from napari_emgauss._napari.svr.result.layer import VolumeSoFar, volume_of
from napari_emgauss._napari.svr.result.planes import orthogonal_planes
from napari_emgauss._napari.svr.stacks.selection import StackSelection
from napari_emgauss._napari.svr.view import STEPS, SlicesView
from napari_emgauss._napari.training.steps_controller import LayersRun, StepsController
from napari_emgauss._napari.viewer.space import LayerInSpace, point_in_view
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.methods.svr import SliceReconstruction
from napari_emgauss.slices import SliceStack, WorldVolume
from napari_emgauss.training import Preview


class SlicesController(StepsController):
    """Training on the stacks that are entered: begun, watched and ended, with its volume shown.

    Parameters
    ----------
    view
        The form, whose destruction ends everything.
    viewer
        The viewer itself, not a proxy.
    """

    method = "svr"
    half_done = "half-done-slices"
    found_again = "and training the same stacks with the same settings goes on from there."
    drawing = "Drawing the volume…"
    preview_every_s = 2.0
    view: SlicesView

    def __init__(self, view: SlicesView, viewer: Any) -> None:
        super().__init__(view, viewer, STEPS)
        self.stacks = StackSelection(view.stacks, viewer)
        self.result = ResultController(view.result, viewer, self.stacks.chosen_or_none)
        self._reading = Worker(view, name="emgauss-read-slices", draws=False)
        self._preview: VolumeSoFar | None = None
        self._shown: WorldVolume | None = None
        self._limits = (0.0, 1.0)
        self.stacks.changed.connect(self._on_edited)
        self._connections.connect(viewer.dims.events.point, self._show_planes)
        view.result.results.changed.connect(self._take_result)
        self._on_edited()

    @property
    def busy(self) -> bool:
        """Whether stacks are read or trained on, or a result is drawn."""
        return self.run is not None or self._reading.busy or self.result.busy

    @property
    def has_result(self) -> bool:
        """Whether there is a volume to look at."""
        return self.result.layer is not None

    def train(self) -> None:
        """Read what is entered off the GUI thread, then start a training on it."""
        if self.busy:
            return
        try:
            chosen, arguments = self.stacks.chosen(), self.view.settings.arguments()
        except EXPLAINED as error:
            report(error)
            return
        layers = self.stacks.layers
        self._show_running()

        def begin(stacks: list[SliceStack]) -> None:
            self._preview = VolumeSoFar(self._viewer)
            self._begin(stacks, layers, f"Volume of {len(stacks)} stack{'s' * (len(stacks) > 1)}", arguments)

        self._reading.submit(lambda: [stack.read() for stack in chosen], done=begin, failed=self._on_failed)

    def _on_preview(self, preview: Preview) -> None:
        volume = volume_of(preview)
        if self._preview is not None:
            self._preview.show(volume)
        self._take_planes(volume)

    def _add_result(self, model: SliceReconstruction, run: LayersRun, drawn: Callable[[], None]) -> None:
        self.result.add(model, run.data, run.name, drawn=drawn, failed=self._on_failed)

    def _cease(self, message: str) -> None:
        self._reading.forget()
        super()._cease(message)

    def _remove_live(self) -> None:
        if self._preview is not None:
            self._preview.remove()
        self._preview = None

    def _take_result(self) -> None:
        """Show planes of the result that is looked at."""
        self._look()
        layer = self.result.layer
        if layer is not None:
            self._take_planes(WorldVolume(np.asarray(layer.data), LayerInSpace.of(layer).affine))
        elif self.run is None:
            self._shown = None
            self.view.planes.clear()
        self._tell()

    def _take_planes(self, volume: WorldVolume) -> None:
        self._shown = volume
        self._limits = (float(volume.values.min()), float(volume.values.max()))
        self._show_planes()

    def _show_planes(self, _event: Any = None) -> None:
        """Show the newest volume at the point in view."""
        if self._shown is not None:
            self.view.planes.show_all(orthogonal_planes(self._shown, point_in_view(self._viewer)), self._limits)

    def _on_edited(self) -> None:
        """Something was changed: find out whether it can be trained."""
        if self.busy:
            return
        self._find_out()
        self._tell()

    def _find_out(self) -> None:
        chosen = self.stacks.chosen_or_none()
        self.view.panel.train_button.setEnabled(bool(chosen))
        if chosen:
            self.view.settings.suggest(min(stack.pixel_mm for stack in chosen))
