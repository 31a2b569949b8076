"""The particles that are chosen, between their form, the files and the viewer."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import message_of, report
from napari_emgauss._napari.gem.particles.form import NONE_YET, ParticleFiles, ParticlesForm
from napari_emgauss._napari.viewer.layers import LayerData
from napari_emgauss._napari.viewer.particles import particles_of, particles_to_layer
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.io.particles import read_particles
from napari_emgauss.particles import Particles


class ParticleSelection(QObject):
    """The particles to make a map of; ``changed`` tells that they may differ.

    Parameters
    ----------
    form
        Where they are chosen.
    viewer
        The viewer itself, not a proxy.
    """

    changed = Signal()

    def __init__(self, form: ParticlesForm, viewer: Any) -> None:
        super().__init__(form)
        self.form, self._viewer = form, viewer
        self._reading = Worker(form, name="emgauss-read-particles", draws=False)
        self._connections = Connections(form)
        self._followed: list[Any] = []
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            self._connections.connect(event, self._list)
        form.sets.changed.connect(self._tell)
        form.open_wanted.connect(self.open)
        self._list()
        self._tell()

    @property
    def layer(self) -> Any | None:
        """The layer that shows them, if there is one."""
        return self.form.sets.item

    @property
    def particles(self) -> Particles | None:
        """The particles, as they are stored."""
        return None if self.layer is None else particles_of(self.layer)

    @property
    def busy(self) -> bool:
        """Whether a file is read."""
        return self._reading.busy

    def open(self) -> None:
        """Read the files that are entered, off the GUI thread, and add a layer of them."""
        files = self.form.entered()
        if files is None or self.busy:
            return
        self.form.show_reading(reading=True)
        self._reading.submit(lambda: _read(files), done=self._add, failed=self._failed)

    def _add(self, layer_data: LayerData) -> None:
        image, attributes, _ = layer_data
        self.form.show_reading(reading=False)
        self._viewer.add_image(image, **attributes)

    def _failed(self, error: BaseException) -> None:
        self.form.show_reading(reading=False)
        self.form.summary.setText(f"⚠ {message_of(error)}")
        report(error)

    def _list(self, event: Any = None) -> None:
        """Follow layers of particles as they come, go and are renamed."""
        layers = [layer for layer in self._viewer.layers if particles_of(layer) is not None]
        for layer in layers:
            if not any(layer is known for known in self._followed):
                self._connections.connect(layer.events.name, self._list)
        self._followed = layers
        newest = getattr(event, "value", None) if getattr(event, "type", "") == "inserted" else None
        self.form.sets.offer([(layer.name, layer) for layer in layers], prefer=newest, otherwise=-1)

    def _tell(self) -> None:
        particles = self.particles
        self.form.summary.setText(NONE_YET if particles is None else f"{particles.describe()}.")
        self.form.show_files(shown=particles is None)
        self.changed.emit()


def _read(files: ParticleFiles) -> LayerData:
    return particles_to_layer(read_particles(files.path, **files.options), files.path.stem)
