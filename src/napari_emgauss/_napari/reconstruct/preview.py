"""The preview of a training in the viewer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_emgauss._napari.reconstruct.stack.trained import TrainedStack
from napari_emgauss._napari.training.progress import origin_of
from napari_emgauss.training import Preview

PREVIEW_NAME = "EMGauss preview"


class PreviewLayer:
    """A layer with the reconstruction at a depth between two sections, as it is being learned.

    It is twice as thick as a section, so that it shows on both observed sections beside it. Selection, camera and
    contrast stay as the user left them. Removing it ends the previews of this run.

    Parameters
    ----------
    viewer
        Where it is shown.
    stack
        The stack in training, whose layer's contrast and colours it starts with.
    """

    def __init__(self, viewer: Any, stack: TrainedStack) -> None:
        self._viewer, self._stack = viewer, stack
        self._layer: Any | None = None
        self._removed = False
        self._whole: Preview | None = None

    def show(self, preview: Preview) -> bool:
        """Show a newer preview; one of a part is put into the latest of the whole section. Tell whether it is shown."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._removed = True
        if self._removed:
            return False
        preview = self._completed(preview)
        dz, dy, dx = self._stack.volume.voxel_size_nm
        z, y, x = self._stack.volume.origin_nm
        section, row, column = origin_of(preview)
        origin_nm = (z + section * dz, y + row * dy, x + column * dx)
        place = self._stack.placement.attributes((2 * dz, dy, dx), origin_nm)
        data = preview.image[None]
        if self._layer is None:
            self._add(data, place)
            return True
        if self._layer.data.shape != data.shape or tuple(self._layer.translate) != place["translate"]:
            self._layer.translate = place["translate"]
        self._layer.data = data
        return True

    def _completed(self, preview: Preview) -> Preview:
        """Return a preview of the whole section, where one of the same depth is known."""
        whole, (z, y, x) = self._whole, origin_of(preview)
        if preview.image.shape == self._stack.volume.shape[1:]:
            self._whole = preview
        elif whole is not None and origin_of(whole)[0] == z:
            image, (height, width) = whole.image.copy(), preview.image.shape
            image[round(y) : round(y) + height, round(x) : round(x) + width] = preview.image
            self._whole = replace(whole, image=image, label=preview.label)
            return self._whole
        return preview

    def _add(self, data: Any, place: dict[str, Any]) -> None:
        selected = set(self._viewer.layers.selection)
        layer = self._viewer.add_image(
            data,
            name=PREVIEW_NAME,
            contrast_limits=tuple(self._stack.layer.contrast_limits),
            colormap=self._stack.layer.colormap,
            metadata={"napari-emgauss": {"preview": True}},
            **place,
        )
        self._viewer.layers.selection.clear()
        self._viewer.layers.selection.update(selected)
        self._layer = layer

    def remove(self) -> None:
        """Take the layer away, if it is still there."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None
