"""Dock widget *Particles to map*: from particles of cryo-EM to a density map, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.viewer.docked import DockedWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.gem.controller import ParticlesController
    from napari_emgauss._napari.gem.view import ParticlesView


class ParticlesWidget(DockedWidget):
    """Choose particles, watch the map and its resolution come, keep the map.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.gem.controller"
    view: ParticlesView
    controller: ParticlesController

    def fill(self) -> None:
        """Make view and controller, and show the view."""
        from napari_emgauss._napari.gem.controller import ParticlesController
        from napari_emgauss._napari.gem.view import ParticlesView

        self.view = ParticlesView()
        controller = self.controller = ParticlesController(self.view, self.viewer)
        self.view.destroyed.connect(lambda: controller.close())  # a bound method would not keep it until then
        self.show_view(self.view)

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return not self.is_filled or self.controller.may_end()

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        if self.is_filled:
            self.controller.leave()
