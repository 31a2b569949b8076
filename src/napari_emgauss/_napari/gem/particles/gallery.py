"""A few particles, above the averages of similar directions and what the map says of them."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import button, row, text_label
from napari_emgauss._napari.controls.pictures import Pictures, TitledImage
from napari_emgauss._napari.gem.particles.gallery_drawing import N_SHOWN, GalleryRow

ROW_PX = 72
ROWS = {
    "seen": ("Single particles", "Particles as they were recorded, with their numbers."),
    "averages": (
        "Averages of particles within an angle",
        "Each is the average of the particles seen from nearly the same direction as the one above, with the CTF "
        "taken out: how many, and within which angle.",
    ),
    "predicted": (
        "What the map says of them",
        "Projections of the map at the particles' poses, with their CTF: what they would show without noise.",
    ),
}


class ParticleGallery(QWidget):
    """Rows of pictures, of which those are hidden that there is nothing to show in."""

    others_wanted = Signal()
    grown = Signal()
    """A row is shown that was not: what is below has moved."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = {name: Pictures(N_SHOWN, height_px=ROW_PX, tip=f"<p>{tip}</p>") for name, (_, tip) in ROWS.items()}
        self._names = {name: QLabel(text) for name, (text, _) in ROWS.items()}
        self.failure = text_label()
        self.others = button("Other particles", "Show some others.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for name, pictures in self.rows.items():
            layout.addWidget(self._names[name])
            layout.addWidget(pictures)
        layout.addWidget(self.failure)
        layout.addWidget(row(self.others, stretch=True))
        self.others.clicked.connect(self.others_wanted)
        self.clear()

    def show_row(self, name: str, images: GalleryRow) -> None:
        """Show the pictures of a row."""
        pictures = [
            TitledImage(title=title, image=image, size=image.shape)
            for title, image in zip(images.titles, images.images, strict=True)
        ]
        grows = self._names[name].isHidden()
        self.rows[name].show_all(pictures, images.limits)
        self._names[name].show()
        self.others.show()
        if grows:
            self.grown.emit()

    def note(self, text: str) -> None:
        """Say why nothing is shown; '' for no reason."""
        self.failure.setText(text)
        self.failure.setVisible(bool(text))

    def clear(self, names: Sequence[str] = tuple(ROWS)) -> None:
        """Show nothing in some rows."""
        for name in names:
            self.rows[name].clear()
            self._names[name].hide()
        if len(names) == len(ROWS):
            self.others.hide()
            self.note("")
