"""Next steps with the open models, between their buttons and the viewer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.reconstruct.models.next_steps import NextSteps
from napari_emgauss._napari.viewer.docked import show_widget
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.workers.worker import Worker


class ModelActions:
    """Opening of the other widgets and saving of models, offered while there is a model or a draft.

    Parameters
    ----------
    view
        The buttons, in their place already.
    viewer
        The viewer itself, not a proxy.
    models
        Those of the viewer.
    """

    def __init__(self, view: NextSteps, viewer: Any, models: OpenModels) -> None:
        self._view, self._viewer, self._models = view, viewer, models
        self._worker = Worker(view, name="emgauss-save")
        self._connections = Connections(view)
        for signal in (models.added, models.removed):
            self._connections.connect(signal, self._update)
        view.opened.connect(self._open)
        view.save_wanted.connect(self._choose_and_save)
        self._update()

    def ask_and_save(self, model: OpenModel) -> None:
        """Ask where and save."""
        path = self._view.ask_path(model.layer_name("").removesuffix(" · "))
        if path is not None:
            self.save(path, model)

    def save(self, path: Path, model: OpenModel) -> None:
        """Save a model in the background."""
        from napari.utils.notifications import show_info

        reconstruction = model.trained
        self._worker.submit(lambda: reconstruction.save(path), done=lambda saved: show_info(f"Saved {saved}"))

    def _open(self, name: str) -> None:
        """Open another widget of the plugin beside this one, or show the one that is open, with the newest model."""
        show_widget(self._viewer, name)
        if self._models.newest is not None:
            self._models.asked_for.emit(self._models.newest)

    def _choose_and_save(self) -> None:
        models = self._saveable()
        if len(models) == 1:
            self.ask_and_save(models[0])
        else:
            self._view.offer((model.name, partial(self.ask_and_save, model)) for model in reversed(models))

    def _update(self, _: OpenModel | None = None) -> None:
        self._view.setVisible(len(self._models) > 0)
        self._view.offer_models(offered=bool(self._saveable()))

    def _saveable(self) -> list[OpenModel]:
        return [model for model in self._models if not model.is_draft]
