"""Dock widget *Assistant*: from a stack to its isotropic volume, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.viewer.docked import DockedWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.assistant.controller import AssistantController
    from napari_emgauss._napari.assistant.view import AssistantView


class AssistantWidget(DockedWidget):
    """All steps in one dock, made of the parts of the other widgets.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.assistant.controller"
    view: AssistantView
    controller: AssistantController

    def fill(self) -> None:
        """Make view and controller, and show the view."""
        from napari_emgauss._napari.assistant.controller import AssistantController
        from napari_emgauss._napari.assistant.view import AssistantView
        from napari_emgauss._napari.viewer.models import open_models

        self.view = AssistantView()
        controller = self.controller = AssistantController(self.view, self.viewer, open_models(self.viewer))
        self.view.destroyed.connect(lambda: controller.close())  # a bound method would not keep it until then
        self.show_view(self.view)

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return not self.is_filled or self.controller.may_end()

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        if self.is_filled:
            self.controller.leave()
