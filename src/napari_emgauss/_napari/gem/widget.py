"""Dock widget *Particles to map*: from particles of cryo-EM to a density map, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.training.widget import TrainingWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.gem.controller import ParticlesController
    from napari_emgauss._napari.gem.view import ParticlesView


class ParticlesWidget(TrainingWidget):
    """Choose particles, watch the map and its resolution come, keep the map.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.gem.controller"
    view: ParticlesView
    controller: ParticlesController

    def parts(self) -> tuple[ParticlesView, ParticlesController]:
        """Make view and controller."""
        from napari_emgauss._napari.gem.controller import ParticlesController
        from napari_emgauss._napari.gem.view import ParticlesView

        view = ParticlesView()
        return view, ParticlesController(view, self.viewer)
