"""What was made of slices, between its view and the viewer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.svr.result.motion_plot import told_apart
from napari_emgauss._napari.svr.result.planes import upright, window_of
from napari_emgauss._napari.svr.result.slice_table import WeighedSlice
from napari_emgauss._napari.svr.result.view import MODEL_FILES, VOLUME_FILES, ResultView
from napari_emgauss._napari.svr.stacks.selection import ChosenStack
from napari_emgauss._napari.viewer.layers import LayerData
from napari_emgauss._napari.viewer.slice_results import model_of, result_to_layer
from napari_emgauss._napari.viewer.space import look_at
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss._types import FloatArray
from napari_emgauss.io.stacks import write_world_volume
from napari_emgauss.methods.svr import SliceReconstruction
from napari_emgauss.slices import SliceStack
from napari_emgauss.slices.motion import components


class ResultController:
    """Shows the result that is chosen among the layers that carry a model, and a slice of it beside its measurement.

    Parameters
    ----------
    view
        With whose end it ends.
    viewer
        The viewer itself, not a proxy.
    stacks
        Called for the stacks that are entered: of a model that was opened, they are the measured ones if they fit.
    """

    def __init__(self, view: ResultView, viewer: Any, stacks: Callable[[], Sequence[ChosenStack]]) -> None:
        self.view, self._viewer, self._stacks = view, viewer, stacks
        self._measured: weakref.WeakKeyDictionary[SliceReconstruction, Sequence[SliceStack]]
        self._measured = weakref.WeakKeyDictionary()
        self._simulated: tuple[SliceReconstruction, int, FloatArray] | None = None
        self._slices, self._files = Worker(view, name="emgauss-slices"), Worker(view, name="emgauss-save")
        self._connections = Connections(view)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            self._connections.connect(event, self._list)
        view.results.changed.connect(self._show)
        view.table.chosen.connect(self.show_slice)
        view.motion.clicked.connect(self._show_row)
        view.export_wanted.connect(self._ask_and_export)
        view.save_wanted.connect(self._ask_and_save)
        self._list()

    @property
    def layer(self) -> Any | None:
        """The result's layer."""
        return self.view.results.item

    @property
    def model(self) -> SliceReconstruction | None:
        """The result's model."""
        return None if self.layer is None else model_of(self.layer)

    @property
    def busy(self) -> bool:
        """Whether a result is drawn or written."""
        return self._files.busy

    def add(
        self,
        model: SliceReconstruction,
        measured: Sequence[SliceStack],
        name: str,
        *,
        drawn: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Draw a model off the GUI thread, call ``drawn``, and add it as a layer."""
        self._measured[model] = measured

        def show(layer: LayerData) -> None:
            values, attributes, _ = layer
            drawn()
            self._viewer.add_image(values, **attributes)

        self._files.submit(lambda: result_to_layer(model.volume(), model, name), done=show, failed=failed)

    def show_slice(self, stack: int, index: int) -> None:
        """Show a slice as it was measured beside what the model says of it, and look where it is."""
        model = self.model
        if model is None:
            return
        row = model.starts[stack] + index
        self.view.motion.mark(row)
        look_at(self._viewer, model.pivots[row])
        known, kept = self._measured.get(model), self._simulated
        chosen = [] if known else list(self._stacks())

        def work() -> tuple[FloatArray, SliceStack | None]:
            drawn = kept[2] if kept is not None and kept[:2] == (model, stack) else model.simulated(stack)
            return drawn, _measured_of(model, stack, known, chosen)

        def show(found: tuple[FloatArray, SliceStack | None]) -> None:
            drawn, measured = found
            self._simulated = (model, stack, drawn)
            if model is self.model:
                self._show_pair(model, stack, index, drawn[index], measured)

        self._slices.submit_newest(work, done=show)

    def export(self, path: Path) -> None:
        """Write the result's volume in the background."""
        model = self.model
        if model is not None:
            self._files.submit(lambda: write_world_volume(model.volume(), path, overwrite=True), done=_tell_saved)

    def save(self, path: Path) -> None:
        """Write the result's model in the background."""
        model = self.model
        if model is not None:
            self._files.submit(lambda: model.save(path), done=_tell_saved)

    def _ask_and_export(self) -> None:
        path = self.view.ask_path("Export the volume", self._name(), VOLUME_FILES)
        if path is not None:
            self.export(path)

    def _ask_and_save(self) -> None:
        path = self.view.ask_path("Save the model", self._name(), MODEL_FILES)
        if path is not None:
            self.save(path)

    def _name(self) -> str:
        return "volume" if self.layer is None else str(self.layer.name)

    def _list(self, event: Any = None) -> None:
        results = [layer for layer in self._viewer.layers if model_of(layer) is not None]
        newest = getattr(event, "value", None) if getattr(event, "type", "") == "inserted" else None
        self.view.results.offer([(layer.name, layer) for layer in results], prefer=newest, otherwise=-1)
        self.view.setVisible(bool(results))

    def _show(self) -> None:
        self._slices.forget()
        self.view.pair.clear()
        self.view.note_pair("")
        self._simulated = None
        model = self.model
        if model is None:
            return
        names = [stack.name for stack in model.stacks]
        self.view.motion.show_motion(components(model.motion), model.starts, told_apart(names))
        self.view.table.show_slices(
            [WeighedSlice(stack=k, index=s, name=names[k], weight=weight) for k, s, weight in model.by_weight()]
        )

    def _show_row(self, row: int) -> None:
        model = self.model
        if model is None:
            return
        stack = int(np.searchsorted(model.starts, row, side="right")) - 1
        if not self.view.table.choose(stack, row - model.starts[stack]):
            self.show_slice(stack, row - model.starts[stack])

    def _show_pair(
        self, model: SliceReconstruction, stack: int, index: int, drawn: FloatArray, measured: SliceStack | None
    ) -> None:
        shape = model.stacks[stack]
        name = f"Slice {index} of {shape.name}"
        if measured is None:
            self.view.note_pair(f"{name}: open and tick its stack to see what was measured beside it.")
            image = np.zeros_like(drawn)
        else:
            rows, columns = window_of(measured)
            image, drawn = measured.images[index, rows, columns], drawn[rows, columns]
            self.view.note_pair(f"{name}, weight {model.weights[model.starts[stack] + index]:.2f}")
        pictures = [upright("Measured", image, shape.affine), upright("By the volume", drawn, shape.affine)]
        self.view.pair.show_all(pictures, (min(0.0, float(drawn.min())), max(float(drawn.max()), 1e-6)))


def _measured_of(
    model: SliceReconstruction, k: int, known: Sequence[SliceStack] | None, chosen: Sequence[ChosenStack]
) -> SliceStack | None:
    """Return a model's stack as it was measured, None if it is not at hand."""
    if known is not None:
        return known[k]
    for stack in chosen:
        if stack.n_slices == model.stacks[k].shape[0] and model.stacks[k].lies_like(read := stack.read()):
            return read
    return None


def _tell_saved(path: Path) -> None:
    from napari.utils.notifications import show_info

    show_info(f"Saved {path}")
