"""The list of open models in a widget, kept up to date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels


class ModelList:
    """Fills a `Chooser` with the open models, whose choice stays while they come and go.

    Parameters
    ----------
    chooser
        The view; its ``changed`` tells that `model` differs.
    models
        Those of the viewer.
    connections
        The widget's, with which this ends.
    take_newest
        Whether a model is chosen as soon as it is added.
    otherwise
        Place of the model that is chosen where the chosen one was closed: 0 the oldest, -1 the newest.
    without
        Text of a first entry that stands for no model; none if empty.
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
        take_newest: bool = False,
        otherwise: int = -1,
        without: str = "",
        label: Callable[[OpenModel], str] = lambda model: model.name,
        offers: Callable[[OpenModel], bool] = lambda model: True,
    ) -> None:
        self.chooser, self._models, self._connections = chooser, models, connections
        self._take_newest, self._otherwise, self._without = take_newest, otherwise, without
        self._label, self._offers = label, offers
        connections.connect(models.added, self._added)
        connections.connect(models.removed, self._fill)
        self._fill()

    @property
    def model(self) -> OpenModel | None:
        """The chosen model."""
        model: OpenModel | None = self.chooser.item
        return model

    def _added(self, model: OpenModel) -> None:
        self._fill(newest=model if self._take_newest and not model.is_draft else None)

    def _fill(self, _: Any = None, *, newest: OpenModel | None = None) -> None:
        chosen: OpenModel | None = self.chooser.item
        if newest is None and chosen is not None:
            newest = chosen.successor
        entries: list[tuple[str, Any]] = [(self._without, None)] if self._without else []
        entries += [(self._label(model), model) for model in self._models if self._offers(model)]
        self.chooser.offer(entries, prefer=newest, otherwise=self._otherwise)
