"""What was made of particles, between its view, the files and the viewer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QSignalBlocker, Signal  # type: ignore[attr-defined]

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.gem.result.live_map import show_in_3d
from napari_emgauss._napari.gem.result.view import MAP_FILES, MODEL_FILES, TABLE_FILES, MapResultView
from napari_emgauss._napari.viewer.layers import LayerData
from napari_emgauss._napari.viewer.particles import (
    gaussians_to_layer,
    local_resolution_to_layer,
    map_model_of,
    map_to_layer,
)
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.methods.gem import GaussianMap


class MapResultController(QObject):
    """The result that is chosen among the layers that carry a model; ``changed`` tells that it is another, or none.

    Parameters
    ----------
    view
        With whose end it ends.
    viewer
        The viewer itself, not a proxy.
    """

    changed = Signal()

    def __init__(self, view: MapResultView, viewer: Any) -> None:
        super().__init__(view)
        self.view, self._viewer = view, viewer
        self._files, self._maps = Worker(view, name="emgauss-save"), Worker(view, name="emgauss-map")
        self._connections = Connections(view)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            self._connections.connect(event, self._list)
        view.results.changed.connect(self._tell)
        view.sharpened.connect(self._draw)
        view.points_wanted.connect(self.show_gaussians)
        view.local_resolution_wanted.connect(self.show_local_resolution)
        view.export_wanted.connect(self._ask_and_export)
        view.table_wanted.connect(self._ask_and_tabulate)
        view.save_wanted.connect(self._ask_and_save)
        self._list()

    @property
    def layer(self) -> Any | None:
        """The result's layer."""
        return self.view.results.item

    @property
    def model(self) -> GaussianMap | None:
        """The result's model."""
        return None if self.layer is None else map_model_of(self.layer)

    @property
    def busy(self) -> bool:
        """Whether a result is drawn or written."""
        return self._files.busy or self._maps.busy

    def add(
        self,
        model: GaussianMap,
        name: str,
        *,
        drawn: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Draw a model off the GUI thread, add it as a layer, and call ``drawn`` just before."""

        def show(layer_data: LayerData) -> None:
            values, attributes, _ = layer_data
            drawn()
            show_in_3d(self._viewer, self._viewer.add_image(values, **attributes))

        self._maps.submit(lambda: map_to_layer(model.map(), name, model), done=show, failed=failed)

    def show_gaussians(self) -> None:
        """Add the Gaussians as points."""
        model, name = self.model, f"{self._name()} · Gaussians"
        if model is not None:
            self._maps.submit(lambda: gaussians_to_layer(model, name), done=self._add_points)

    def show_local_resolution(self) -> None:
        """Add the resolution around every voxel as a layer."""
        model, name = self.model, f"{self._name()} · local resolution (Å)"
        if model is not None:
            self._maps.submit(
                lambda: local_resolution_to_layer(model.local_resolution(), name, model.resolution().mask),
                done=self._add_image,
            )

    def export(self, path: Path) -> None:
        """Write the map as it is shown, and both half maps, in the background."""
        model, b_factor = self.model, self._b_factor
        if model is None:
            return

        def work() -> str:
            first, second = model.half_maps()
            model.map(b_factor=b_factor).write(path, overwrite=True)
            for half, own in zip((first, second), half_paths(path), strict=True):
                half.write(own, overwrite=True)
            return f"Saved {path} and both half maps."

        self._files.submit(work, done=_tell)

    def tabulate(self, path: Path) -> None:
        """Write the table of Gaussians in the background."""
        if (model := self.model) is not None:
            self._files.submit(lambda: f"Saved {model.write_gaussians(path, overwrite=True)}", done=_tell)

    def save(self, path: Path) -> None:
        """Write the model in the background."""
        if (model := self.model) is not None:
            self._files.submit(lambda: f"Saved {model.save(path)}", done=_tell)

    @property
    def _b_factor(self) -> Any:
        return "auto" if self.view.sharpen.isChecked() else None

    def _add_points(self, layer_data: LayerData) -> None:
        points, attributes, _ = layer_data
        self._viewer.add_points(points, **attributes)

    def _add_image(self, layer_data: LayerData) -> None:
        values, attributes, _ = layer_data
        self._viewer.add_image(values, **attributes)

    def _ask_and_export(self) -> None:
        path = self.view.ask_path("Export the map", self._name(), MAP_FILES)
        if path is not None and self.view.may_replace_all(half_paths(path)):
            self.export(path)

    def _ask_and_tabulate(self) -> None:
        if (path := self.view.ask_path("Save the Gaussians", self._name(), TABLE_FILES)) is not None:
            self.tabulate(path)

    def _ask_and_save(self) -> None:
        if (path := self.view.ask_path("Save the model", self._name(), MODEL_FILES)) is not None:
            self.save(path)

    def _name(self) -> str:
        return "map" if self.layer is None else str(self.layer.name)

    def _list(self, event: Any = None) -> None:
        results = [layer for layer in self._viewer.layers if map_model_of(layer) is not None]
        newest = getattr(event, "value", None) if getattr(event, "type", "") == "inserted" else None
        self.view.results.offer([(layer.name, layer) for layer in results], prefer=newest, otherwise=-1)
        self.view.setVisible(bool(results))

    def _tell(self) -> None:
        self._maps.forget()
        with QSignalBlocker(self.view.sharpen):
            self.view.sharpen.setChecked(bool(self.layer is not None and self.layer.metadata.get("sharpened")))
        self.changed.emit()

    def _draw(self) -> None:
        """Draw the map again, sharpened or not."""
        layer, model, b_factor = self.layer, self.model, self._b_factor
        if layer is None or model is None:
            return

        def show(layer_data: LayerData) -> None:
            values, attributes, _ = layer_data
            layer.data = values
            layer.contrast_limits = attributes["contrast_limits"]
            layer.iso_threshold = attributes["iso_threshold"]
            layer.metadata["sharpened"] = b_factor is not None

        self._maps.submit_newest(lambda: map_to_layer(model.map(b_factor=b_factor), layer.name, model), done=show)


def half_paths(path: Path) -> list[Path]:
    """Return where the half maps of a map's file are written."""
    return [path.with_name(f"{path.stem}_half{half}{path.suffix}") for half in (1, 2)]


def _tell(text: str) -> None:
    from napari.utils.notifications import show_info

    show_info(text)
