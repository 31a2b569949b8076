"""The list of open models in a widget, kept up to date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels


class ModelList:
    """Fills a `Chooser` with the open models and chooses the newest, but no draft that comes while one is chosen.

    Parameters
    ----------
    chooser
        The view; its ``changed`` tells that `model` differs.
    models
        Those of the viewer.
    connections
        The widget's, with which this ends.
    without
        Text of a first entry that stands for no model, which is then the one to begin with, and no other is chosen by
        itself; none if empty.
    label
        Text of a model's entry.
    offers
        Whether a model is listed.
    """

    def __init__(
        self,
        chooser: Chooser,
        models: OpenModels,
        connections: Connections,
        *,
        without: str = "",
        label: Callable[[OpenModel], str] = lambda model: model.name,
        offers: Callable[[OpenModel], bool] = lambda model: True,
    ) -> None:
        self.chooser, self._models, self._connections = chooser, models, connections
        self._without, self._label, self._offers = without, label, offers
        connections.connect(models.added, self._added)
        connections.connect(models.asked_for, self._choose)
        connections.connect(models.removed, self._fill)
        connections.connect(models.renamed, self._fill)
        self._fill()

    @property
    def model(self) -> OpenModel | None:
        """The chosen model."""
        model: OpenModel | None = self.chooser.item
        return model

    def _added(self, model: OpenModel) -> None:
        self._fill(newest=None if self._without or model.is_draft else model)

    def _choose(self, model: OpenModel) -> None:
        if not self._without:
            self.chooser.choose(model)

    def _fill(self, _: Any = None, *, newest: OpenModel | None = None) -> None:
        chosen: OpenModel | None = self.chooser.item
        if newest is None and chosen is not None:
            newest = chosen.successor
        entries: list[tuple[str, Any]] = [(self._without, None)] if self._without else []
        entries += [(self._label(model), model) for model in self._models if self._offers(model)]
        self.chooser.offer(entries, prefer=newest, otherwise=0 if self._without else -1)
