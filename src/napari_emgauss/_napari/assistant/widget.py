"""Dock widget *Assistant*: from a stack to its isotropic volume, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.training.widget import TrainingWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.assistant.controller import AssistantController
    from napari_emgauss._napari.assistant.view import AssistantView


class AssistantWidget(TrainingWidget):
    """All steps in one dock, made of the parts of the other widgets.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.assistant.controller"
    view: AssistantView
    controller: AssistantController

    def parts(self) -> tuple[AssistantView, AssistantController]:
        """Make view and controller."""
        from napari_emgauss._napari.assistant.controller import AssistantController
        from napari_emgauss._napari.assistant.view import AssistantView
        from napari_emgauss._napari.viewer.models import open_models

        view = AssistantView()
        return view, AssistantController(view, self.viewer, open_models(self.viewer))
