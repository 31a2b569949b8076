"""Pictures side by side, each with a title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyqtgraph as pg
from qtpy.QtCore import QRectF, Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_emgauss._types import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class TitledImage:
    """A grey-level image (rows, columns) with its title."""

    title: str
    image: FloatArray
    size: tuple[float, float]
    """Height and width that it is shown with, in any unit."""


class Pictures(QWidget):
    """A row of pictures of one contrast; hidden while there are none."""

    def __init__(self, n: int, *, height_px: int, tip: str) -> None:
        super().__init__()
        self._titles = [QLabel() for _ in range(n)]
        self._view = pg.GraphicsLayoutWidget()
        self._view.setBackground(None)
        self._view.setFixedHeight(height_px)
        self._view.setMinimumWidth(120)
        self._view.setToolTip(tip)
        self._view.ci.setContentsMargins(0, 0, 0, 0)
        self._view.ci.setSpacing(4)
        self._boxes = [
            self._view.addViewBox(0, column, lockAspect=True, invertY=True, enableMenu=False) for column in range(n)
        ]
        self._images = [pg.ImageItem(axisOrder="row-major", autoDownsample=True) for _ in range(n)]
        for box, image in zip(self._boxes, self._images, strict=True):
            box.setMouseEnabled(x=False, y=False)
            box.setDefaultPadding(0.0)
            box.addItem(image)
        self._lay_out()
        self.clear()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        for title in self._titles:
            title.setAlignment(Qt.AlignmentFlag.AlignCenter)
            title.setMinimumWidth(1)
            head.addWidget(title, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self._view)

    @property
    def titles(self) -> list[str]:
        """What the pictures are called."""
        return [title.text() for title in self._titles]

    @property
    def images(self) -> list[FloatArray]:
        """What is shown."""
        return [image.image for image in self._images]

    def show_all(self, pictures: Sequence[TitledImage], limits: tuple[float, float]) -> None:
        """Show pictures within the ``limits`` of intensity that are black and white."""
        for title, box, item, picture in zip(self._titles, self._boxes, self._images, pictures, strict=True):
            height, width = picture.size
            title.setText(picture.title)
            item.setImage(picture.image, levels=limits)
            item.setRect(QRectF(0, 0, width, height))
            box.setRange(QRectF(0, 0, width, height), padding=0)
        for title in self._titles:
            title.setVisible(any(self.titles))
        self.show()

    def clear(self) -> None:
        """Show nothing."""
        self.hide()
        for image in self._images:
            image.clear()
