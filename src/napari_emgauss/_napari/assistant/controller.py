"""The assistant: the other widgets' controllers behind one row of steps."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.assistant.look import LookController
from napari_emgauss._napari.assistant.steps import Situation
from napari_emgauss._napari.assistant.view import AssistantView
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.export.controller import ExportController
from napari_emgauss._napari.reconstruct.controller import ReconstructController
from napari_emgauss._napari.training.steps import Step
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.viewer.regions import IN_VIEW, WHOLE

PARTS = {Step.TRY: IN_VIEW, Step.TRAIN: WHOLE}
"""What of the stack the steps that train begin with."""


class AssistantController:
    """Leads from step to step, and says what comes next.

    ::

        Stack ──▶ Try a part ──▶ Train ──▶ Look ──▶ Export
                       │                    ▲
                       └────── finished ────┘

    Parameters
    ----------
    view
        The dock, whose destruction ends everything.
    viewer
        The viewer itself, not a proxy.
    models
        Those of the viewer.
    """

    def __init__(self, view: AssistantView, viewer: Any, models: OpenModels) -> None:
        self.view = view
        self.reconstruct = ReconstructController(view.reconstruct, viewer, models)
        self.look = LookController(view.look, viewer, models)
        self.export: ExportController | None = None
        """Made when its step is first chosen: it measures how long drawing takes."""
        self._viewer, self._models = viewer, models
        self._was_training = False
        self._newest_before: OpenModel | None = None
        self._exported: OpenModel | None = None
        """The newest model when something was exported."""
        self._connections = Connections(view)
        view.step_wanted.connect(self.go_to)
        view.export.exported.connect(self._on_exported)
        self._connections.connect(self.reconstruct.changed, self._follow)
        for signal in (models.added, models.removed):
            self._connections.connect(signal, self._tell)
        self._tell()

    def go_to(self, step: Step) -> None:
        """Show a step, if it is open."""
        if not self.situation().opens(step):
            return
        if step in PARTS and self.reconstruct.run is None:
            if step is Step.TRY:
                self.look.turn("xy")
            self.view.reconstruct.stack.part.choose(PARTS[step])
        if step is Step.EXPORT and self.export is None:
            self.export = ExportController(self.view.export, self._viewer)
        self.view.show_step(step)
        self.look.begin() if step is Step.LOOK else self.look.end()
        self._tell()

    def situation(self) -> Situation:
        """Return how far things are."""
        newest = self._models.newest
        source = None if newest is None else newest.source_layer
        return Situation(
            has_stack=self.reconstruct.stack.layer is not None,
            problem=self.reconstruct.problem,
            part_chosen=self.view.reconstruct.stack.part.item != WHOLE,
            training=self.reconstruct.run is not None,
            n_models=sum(model.has_sections for model in self._models),
            exported=newest is not None and newest is self._exported,
            of_part=newest is not None and source is not None and _shape(source) != newest.reconstruction.shape,
        )

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return self.reconstruct.may_end()

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        self.look.end()
        self.reconstruct.leave()

    def close(self) -> None:
        """End the training; the dock is gone."""
        self._connections.close()
        self.reconstruct.close()

    def _follow(self) -> None:
        """Go where a training that began or ended is shown."""
        before, self._was_training = self._was_training, self.reconstruct.run is not None
        if self._was_training and not before:
            self._newest_before = self._models.newest
            self.go_to(self.view.step if self.view.step in PARTS else Step.TRAIN)
        elif before and not self._was_training and self.view.step in PARTS:
            self.go_to(self.view.step if self._models.newest is self._newest_before else Step.LOOK)
        self._tell()

    def _on_exported(self) -> None:
        self._exported = self._models.newest
        self._tell()

    def _tell(self, _: Any = None) -> None:
        situation = self.situation()
        if not situation.opens(self.view.step):
            self.look.end()
            self.view.show_step(Step.STACK)
        opened = [step for step in Step if situation.opens(step)]
        self.view.bar.show_next(situation.next_from(self.view.step), opened=opened)


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)
