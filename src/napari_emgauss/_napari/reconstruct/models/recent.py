"""The recent models between their list, their folder and the viewer."""

from __future__ import annotations

import time
import weakref
from typing import Any

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import show_notice
from napari_emgauss._napari.reconstruct.models.panel import ModelEntry, ModelsPanel
from napari_emgauss._napari.reconstruct.models.saved import SavedModel, SavedModels
from napari_emgauss._napari.viewer.isotropic import add_isotropic, stack_layer_of
from napari_emgauss._napari.viewer.layers import LayerPlacement, stack_of
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.methods.registry import load
from napari_emgauss.units import format_bytes


class RecentModels:
    """Saves models by themselves, and opens, names, closes and deletes those that were saved.

    Parameters
    ----------
    panel
        Their list.
    viewer
        The viewer itself, not a proxy.
    models
        Those open in the viewer.
    saved
        Those in the folder.
    """

    def __init__(self, panel: ModelsPanel, viewer: Any, models: OpenModels, saved: SavedModels) -> None:
        self._panel, self._viewer, self._models, self._saved = panel, viewer, models, saved
        self._worker = Worker(panel, name="emgauss-models")
        self._connections = Connections(panel)
        for signal in (models.added, models.removed, models.renamed):
            self._connections.connect(signal, self._list)
        panel.opened.connect(self._open)
        panel.closed.connect(self._close)
        panel.renamed.connect(self._rename)
        panel.deleted.connect(self._delete)
        self._list()

    def keep(self, model: OpenModel) -> None:
        """Save a model that was just trained, in the background."""
        reconstruction, saved = model.trained, self._saved

        def save() -> Any:
            path = saved.new_path()
            reconstruction.save(path)
            saved.name(path, model.name)
            return path

        def done(path: Any) -> None:
            model.path = path
            if model.name != name:
                saved.name(path, model.name)
            self._list()

        def failed(error: BaseException) -> None:
            show_notice(
                f"The model {model.name!r} could not be saved by itself ({error}). Use 'Save model…' before you close "
                "napari."
            )

        name = model.name
        self._worker.submit(save, done=done, failed=failed)

    def _list(self, _: Any = None) -> None:
        opened = [model for model in self._models if not model.is_draft]
        paths = {model.path for model in opened if model.path is not None}
        entries = [ModelEntry(model.name, "open", _about_open(model), True, model) for model in reversed(opened)]
        entries += [ModelEntry(m.name, _saved_when(m), _about(m), False, m) for m in self._saved if m.path not in paths]
        self._panel.offer(entries)

    def _open(self, item: Any) -> None:
        if isinstance(item, OpenModel):
            self._models.asked_for.emit(item)
            return
        saved: SavedModel = item
        self._worker.submit(lambda: load(saved.path), done=lambda rec: self._show(saved, rec))

    def _show(self, saved: SavedModel, reconstruction: Any) -> None:
        """Open a model that was read, on its stack if that is a layer, and show it whole."""
        if any(model.path == saved.path for model in self._models):
            return
        layer = stack_layer_of(self._viewer, reconstruction)
        model = OpenModel(saved.name, reconstruction, path=saved.path)
        if layer is not None:
            model.placement, model.source, model.stack = LayerPlacement.of(layer), weakref.ref(layer), stack_of(layer)
        self._models.add(model)
        add_isotropic(self._viewer, model, layer)

    def _close(self, item: Any) -> None:
        if isinstance(item, OpenModel) and (
            item.path is not None or self._panel.agrees(f"{item.name!r} is saved nowhere. Close it nevertheless?")
        ):
            self._models.remove(item)

    def _rename(self, item: Any) -> None:
        name = self._panel.ask_name(item.name)
        if name is None:
            return
        if isinstance(item, OpenModel):
            self._models.rename(item, name)
            name = item.name
        if item.path is not None:
            self._saved.name(item.path, name)
        self._list()

    def _delete(self, item: Any) -> None:
        if isinstance(item, SavedModel) and self._panel.agrees(
            f"Delete the model {item.name!r} ({format_bytes(item.n_bytes)})? It cannot be brought back."
        ):
            self._saved.remove(item.path)
            self._list()


def _saved_when(model: SavedModel) -> str:
    """Return words like '26 Nov, 17:40', or '26 Nov 2025' of another year: what a narrow list has room for."""
    saved = time.localtime(model.saved_at)
    return time.strftime("%d %b, %H:%M" if saved.tm_year == time.localtime().tm_year else "%d %b %Y", saved)


def _about(model: SavedModel) -> str:
    """Return words like '26 Nov 2026, 17:40 · 21 MB'."""
    when = time.strftime("%d %b %Y, %H:%M", time.localtime(model.saved_at))
    return f"{when} · {format_bytes(model.n_bytes)}"


def _about_open(model: OpenModel) -> str:
    return "open, not in a file yet" if model.path is None else f"open, kept in {model.path}"
