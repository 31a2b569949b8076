"""The timing of Explore z's drawing: coarse while the section moves, sharp when it rests."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.elements import timer
from napari_emgauss._napari.explore.canvas import SectionCanvas
from napari_emgauss._napari.explore.drawing import Picture, draw, mean_error
from napari_emgauss._napari.explore.scrub import Drawing, Scrubber
from napari_emgauss._napari.workers.worker import Worker

FRAME_MS = 33
REST_MS = 150


class Painter(QObject):
    """Drawing of the section at a `Scrubber`'s position, off the GUI thread.

    ::

        draw_soon() ──▶ moving pictures, at most one per FRAME_MS ──▶ a sharp one, REST_MS after the last call

    Parameters
    ----------
    parent
        Widget that owns it.
    canvas
        What is drawn on.
    """

    changed = Signal()
    """Something was asked for or shown."""
    failed = Signal(object)
    """With the error."""

    def __init__(self, parent: QObject, canvas: SectionCanvas) -> None:
        super().__init__(parent)
        self.scrub: Scrubber | None = None
        """Position on the model to draw."""
        self.with_error = False
        """Whether the uncertainty is drawn too."""
        self._canvas = canvas
        self._worker = Worker(self, name="emgauss-explore")
        self._connections = Connections(self)
        self._frame = timer(self, FRAME_MS, self._draw_waiting, once=True)
        self._rest = timer(self, REST_MS, self.draw_sharp, once=True)
        self._waiting = False

    @property
    def busy(self) -> bool:
        """Whether something is being drawn or about to be."""
        return self._waiting or self._rest.isActive() or self._worker.busy

    def draw_soon(self, _event: Any = None) -> None:
        """Draw now, or when the present frame's time is over; sharpen when the position rests."""
        self.changed.emit()
        self._waiting = True
        if not self._frame.isActive():
            self._draw_waiting()
        self.sharpen_soon()

    def sharpen_soon(self) -> None:
        """Draw sharp when position and view rest."""
        self._rest.start()

    def draw_sharp(self) -> None:
        """Draw sharp now."""
        self._waiting = False
        self._rest.stop()
        if not self._draw(sharp=True) and self.scrub is not None:
            self._canvas.steer(self.scrub, exactly=True)

    def forget(self) -> None:
        """Show nothing of what is being drawn."""
        self._worker.forget()

    def cease(self) -> None:
        """Draw nothing more until asked again."""
        self.forget()
        self._waiting = False
        self._rest.stop()

    def _draw_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self._frame.start()
            # The picture takes napari's slider along when it comes: slicing large layers takes longer than drawing.
            if not self._draw(sharp=False) and self.scrub is not None:
                self._canvas.steer(self.scrub)

    def _draw(self, *, sharp: bool) -> bool:
        """Have a picture drawn, if one is needed; tell whether it will come."""
        scrub = self.scrub
        visible = None if scrub is None else self._canvas.visible(scrub)
        if visible is None or scrub is None:
            return False
        drawing = scrub.resting(visible) if sharp else scrub.moving(visible)
        with_error, rec = self.with_error, scrub.model.reconstruction
        if sharp and not self._worker.busy and self._canvas.shows(scrub.model, drawing, with_error=with_error):
            return False
        merged, density = scrub.merged, visible.density
        is_unknown = with_error and not self._canvas.uncertainty.knows(scrub.model)

        def work() -> tuple[Picture, float | None]:
            picture = draw(rec, drawing, density=density, merged=merged, with_error=with_error)
            return picture, mean_error(rec) if is_unknown else None

        self._worker.submit_newest(
            work, done=lambda result: self._take(scrub, drawing, *result), failed=self.failed.emit
        )
        return True

    def _take(self, scrub: Scrubber, drawing: Drawing, picture: Picture, mean: float | None) -> None:
        scrub.took(drawing, picture.seconds)
        if scrub is not self.scrub:
            return
        if mean is not None:
            self._canvas.uncertainty.tell(scrub.model, mean)
        if drawing.moving and self._waiting:
            # The next picture is drawn by the worker while this one is shown.
            self._draw_waiting()
        before = self._canvas.section.layer
        self._canvas.take(scrub, drawing, picture, with_error=self.with_error)
        layer = self._canvas.section.layer
        if layer is not None and layer is not before:
            self._connections.connect(layer.events.visible, self.draw_soon)
        self.changed.emit()
