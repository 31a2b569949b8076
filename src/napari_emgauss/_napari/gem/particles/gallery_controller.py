"""The gallery between its view and the particles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari_emgauss._napari.controls.notify import EXPLAINED, message_of
from napari_emgauss._napari.gem.particles.gallery import ParticleGallery
from napari_emgauss._napari.gem.particles.gallery_drawing import (
    GalleryRow,
    gallery_row,
    seen_and_averaged,
    shown_particles,
)
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss._types import FloatArray
from napari_emgauss.particles import Particles

Predict = Callable[[Sequence[int]], FloatArray | None]
"""Takes indices of particles, returns what they would show without noise, None if nothing is known of it."""


class GalleryController:
    """Shows some of the particles, and beside them what is known of them; see `ParticleGallery`.

    Parameters
    ----------
    view
        With whose end it ends.
    """

    def __init__(self, view: ParticleGallery) -> None:
        self.view = view
        self._particles: Particles | None = None
        self._predict: Predict | None = None
        self._page = 0
        self._seen, self._predicted = Worker(view, name="emgauss-gallery"), Worker(view, name="emgauss-projections")
        view.others_wanted.connect(self.turn)

    @property
    def busy(self) -> bool:
        """Whether something is drawn."""
        return self._seen.busy or self._predicted.busy

    @property
    def indices(self) -> list[int]:
        """The particles that are shown."""
        return [] if self._particles is None else shown_particles(self._particles, self._page)

    def show_particles(self, particles: Particles | None) -> None:
        """Show some of these particles."""
        if particles is not self._particles:
            self._particles, self._page, self._predict = particles, 0, None
            self._draw()

    def turn(self) -> None:
        """Show others."""
        self._page += 1
        self._draw()

    def predict_by(self, predict: Predict | None) -> None:
        """Show what these would be without noise; nothing for None. Called again, it is drawn again."""
        self._predict = predict
        self._draw_predicted()

    def _draw(self) -> None:
        self._seen.forget()
        if (particles := self._particles) is None:
            self._predicted.forget()
            self.view.clear()
            return
        indices = self.indices
        self._seen.submit_newest(
            lambda: seen_and_averaged(particles, indices),
            done=lambda rows: self._show(rows, indices),
            failed=self._failed,
        )
        self._draw_predicted()

    def _draw_predicted(self) -> None:
        predict, indices = self._predict, self.indices
        if predict is None or not indices:
            self._predicted.forget()
            self.view.clear(["predicted"])
            return

        def work() -> GalleryRow | None:
            try:
                images = predict(indices)
            except EXPLAINED:  # of another box or pixel size: there is nothing to compare
                return None
            return None if images is None else gallery_row(list(images), [""] * len(images))

        self._predicted.submit_newest(work, done=lambda found: self._show_predicted(found, indices))

    def _show(self, rows: tuple[GalleryRow, GalleryRow], indices: list[int]) -> None:
        if indices == self.indices:
            self.view.show_row("seen", rows[0])
            self.view.show_row("averages", rows[1])

    def _show_predicted(self, found: GalleryRow | None, indices: list[int]) -> None:
        if found is None:
            self.view.clear(["predicted"])
        elif indices == self.indices:
            self.view.show_row("predicted", found)

    def _failed(self, error: BaseException) -> None:
        self.view.clear()
        self.view.note(message_of(error))
