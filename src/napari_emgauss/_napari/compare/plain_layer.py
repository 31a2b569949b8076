"""A layer by plain interpolation, for stacks that need no model."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject

from napari_emgauss._napari.compare.scoring import label_of
from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.resampling.interpolated import InterpolatedStack
from napari_emgauss.volume import Volume


class PlainLayer:
    """Adds the stack of a model, interpolated to cubic voxels off the GUI thread, as a layer.

    Parameters
    ----------
    parent
        Widget with whose end it ends.
    viewer
        The viewer itself, not a proxy.
    """

    def __init__(self, parent: QObject, viewer: Any) -> None:
        self._viewer = viewer
        self._worker = Worker(parent, name="emgauss-interpolate")

    @property
    def busy(self) -> bool:
        """Whether something is being interpolated."""
        return self._worker.busy

    def add(self, model: OpenModel, stack: Volume, method: str) -> None:
        """Add the layer soon."""
        reconstruction = model.reconstruction
        plain = InterpolatedStack(stack, method, leave_out=reconstruction.left_out)

        def show(volume: Volume) -> None:
            place = model.placement.attributes(volume.voxel_size_nm, reconstruction.origin_nm)
            name = model.layer_name(label_of(method).lower())
            self._viewer.add_image(volume.data, name=name, metadata=dict(volume.metadata), **place)

        self._worker.submit_newest(plain.resample, done=show)
