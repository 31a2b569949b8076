"""Dock widget *Job*: a training that other processes share, wherever they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_emgauss._napari.training.widget import TrainingWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.jobs.controller import JobController
    from napari_emgauss._napari.jobs.view import JobView


class JobWidget(TrainingWidget):
    """Begin a job, follow it from its folder, look at what is done, pause, stop and go on with it.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.jobs.controller"
    view: JobView
    controller: JobController

    def parts(self) -> tuple[JobView, JobController]:
        """Make view and controller."""
        from napari_emgauss._napari.jobs.controller import JobController
        from napari_emgauss._napari.jobs.view import JobView
        from napari_emgauss._napari.viewer.models import open_models

        view = JobView()
        return view, JobController(view, self.viewer, open_models(self.viewer))

    def offer(self, layer: Any, volume: Any, arguments: Any) -> None:
        """Ask how the stack of a layer is to be trained on as a job; Reconstruct hands it over with its settings."""
        self.controller.offer(layer, volume, arguments)
