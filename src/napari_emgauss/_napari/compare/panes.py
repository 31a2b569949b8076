"""Linked panes: the same section and the same two cuts, drawn in several ways side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QRectF, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_emgauss._napari.compare.crossing import PANES
from napari_emgauss._types import Triple

N_COLUMNS = 3
CUT_ASPECTS = (0.2, 1.0)
"""Least and largest height of a cut's pane relative to its width."""
LABEL_PX, GAP_PX, LEAST_PX = 18, 4, 420
_TIPS = "Drag the lines to move the cuts, scroll to zoom, drag to pan, double-click to see everything."


class Panes(QWidget):
    """Up to three columns of a section (xy) and two cuts (xz, yz), linked in pan and zoom.

    ``moved`` tells where a line was dragged to: axis 0 (z, in depth steps), 1 (y) or 2 (x), and the position in px.
    """

    moved = Signal(int, float)

    def __init__(self) -> None:
        super().__init__()
        self._steps: dict[str, tuple[float, float]] = dict.fromkeys(PANES, (1.0, 1.0))
        self._sizes: dict[str, tuple[int, int]] = dict.fromkeys(PANES, (1, 1))
        self._aspects = [1.0, CUT_ASPECTS[0], CUT_ASPECTS[0]]
        self._n_shown, self._fitted = N_COLUMNS, True
        self._drawn: dict[str, list[tuple[Any, Any]]] = {}
        self._view = _PanesGraphics()
        self._view.setBackground(None)
        self._view.setToolTip(_TIPS)
        self._view.ci.setContentsMargins(0, 0, 0, 0)
        self._view.ci.setSpacing(GAP_PX)
        self.titles = [QLabel() for _ in range(N_COLUMNS)]
        self._labels = {place: pg.LabelItem(place, angle=-90) for place in PANES}
        self._boxes: dict[tuple[str, int], Any] = {}
        self._images: dict[tuple[str, int], Any] = {}
        self._lines: dict[int, list[tuple[str, Any]]] = {0: [], 1: [], 2: []}
        for row, place in enumerate(PANES):
            self._view.addItem(self._labels[place], row, 0)
            for column in range(N_COLUMNS):
                self._add_pane(row, place, column)
        self._view.scene().sigMouseClicked.connect(self._clicked)
        self._lay_out()
        self.show_columns([""] * N_COLUMNS)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(LABEL_PX, 0, 0, 0)
        for title in self.titles:
            title.setAlignment(Qt.AlignmentFlag.AlignCenter)
            title.setMinimumWidth(1)
            head.addWidget(title, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(self._view, 1)
        layout.addStretch(0)

    def _add_pane(self, row: int, place: str, column: int) -> None:
        box = self._view.addViewBox(row, column + 1, lockAspect=True, invertY=True, enableMenu=False)
        box.setDefaultPadding(0.0)
        image = pg.ImageItem(axisOrder="row-major", autoDownsample=True)
        box.addItem(image)
        box.sigRangeChangedManually.connect(self._zoomed)
        box.sigResized.connect(lambda *_: self._fitted and box.setRange(self._area(place), padding=0))
        self._boxes[place, column], self._images[place, column] = box, image
        if column == 0:
            box.sigRangeChanged.connect(lambda *_, place=place: self._draw(place))
        else:
            box.setXLink(self._boxes[place, 0])
            box.setYLink(self._boxes[place, 0])
        lines = {"xy": ((1, 0), (2, 90)), "xz": ((0, 0), (2, 90)), "yz": ((0, 0), (1, 90))}[place]
        for axis, angle in lines:
            line = pg.InfiniteLine(angle=angle, movable=True)
            line.sigDragged.connect(lambda dragged, axis=axis, place=place: self._dragged(place, axis, dragged))
            box.addItem(line, ignoreBounds=True)
            self._lines[axis].append((place, line))

    def set_grid(self, shape: tuple[int, int, int], steps_nm: Triple) -> None:
        """Take the size of the compared volume (depths, Y, X) and the spacing of its voxels; show all of it."""
        depths, height, width = shape
        dz, dy, dx = steps_nm
        self._steps = {"xy": (dy, dx), "xz": (dz, dx), "yz": (dz, dy)}
        self._sizes = {"xy": (height, width), "xz": (depths, width), "yz": (depths, height)}
        self._aspects = []
        self._drawn.clear()
        for place in PANES:
            area = self._area(place)
            aspect = area.height() / area.width()
            self._aspects.append(aspect if place == "xy" else min(max(aspect, CUT_ASPECTS[0]), CUT_ASPECTS[1]))
            for column in range(N_COLUMNS):
                self._images[place, column].clear()
                self._boxes[place, column].setLimits(
                    xMin=area.left() - area.width(),
                    xMax=area.right() + area.width(),
                    yMin=area.top() - area.height(),
                    yMax=area.bottom() + area.height(),
                )
        self._fitted = True
        self._arrange()

    def show_columns(self, titles: list[str]) -> None:
        """Show as many columns as there are titles."""
        for column, label in enumerate(self.titles):
            shown = column < len(titles)
            label.setText(titles[column] if shown else "")
            label.setVisible(shown)
            self._view.ci.layout.setColumnStretchFactor(column + 1, 1 if shown else 0)
            for place in PANES:
                box = self._boxes[place, column]
                present = box in self._view.ci.items
                if shown and not present:
                    self._view.addItem(box, PANES.index(place), column + 1)
                elif present and not shown:
                    self._view.removeItem(box)
        self._n_shown = len(titles)
        self._arrange()

    def show_images(self, place: str, images: list[tuple[Any, Any]]) -> None:
        """Draw grey images (bytes) at ``place``: for each column the whole image and a smaller one of the same."""
        self._drawn[place] = images
        self._draw(place)

    def _draw(self, place: str) -> None:
        """Draw the smaller images while zoomed out: averaging large ones would hold up the GUI thread."""
        across = self._steps[place][1]
        pixels_per_point = self._boxes[place, 0].viewPixelSize()[0] / across
        for column, (whole, small) in enumerate(self._drawn.get(place, ())):
            item, image = self._images[place, column], small if pixels_per_point >= 2 else whole
            if item.image is not image:
                item.setImage(image, autoLevels=False, levels=(0, 255))
                item.setRect(self._area(place))

    def image(self, place: str, column: int) -> Any:
        """Return what is drawn there, None while nothing is."""
        image = self._images[place, column].image
        return None if image is None else np.asarray(image)

    def set_lines(self, depth: float, y: float, x: float) -> None:
        """Move the lines to this place, in voxels."""
        for axis, position in enumerate((depth, y, x)):
            for place, line in self._lines[axis]:
                line.setValue(position * self._step(place, axis))

    def fit(self) -> None:
        """Show the whole of every pane, also when it is given another size, until someone zooms."""
        for place in PANES:
            for column in range(self._n_shown):
                self._boxes[place, column].setRange(self._area(place), padding=0)
        self._fitted = True

    def _area(self, place: str) -> QRectF:
        """Return what the images there cover, in nm."""
        (rows, columns), (down, across) = self._sizes[place], self._steps[place]
        return QRectF(-0.5 * across, -0.5 * down, columns * across, rows * down)

    def _zoomed(self, *_: Any) -> None:
        self._fitted = False

    def resizeEvent(self, event: Any) -> None:
        """Keep the rows as tall as their images."""
        super().resizeEvent(event)
        self._arrange()

    def set_colours(self, text: str, accent: str) -> None:
        """Take the theme's colours."""
        for place, label in self._labels.items():
            label.setText(place, color=text)
        for lines in self._lines.values():
            for _, line in lines:
                line.setPen(pg.mkPen(accent, width=1))
                line.setHoverPen(pg.mkPen(accent, width=3))

    def _arrange(self) -> None:
        """Make rows as tall as their images are at this width, or less where there is no room."""
        layout = self._view.ci.layout
        width = (self.width() - LABEL_PX) / self._n_shown - GAP_PX
        heights = [max(width * aspect, 1) for aspect in self._aspects]
        total = sum(heights) + GAP_PX * len(PANES)
        self._view.setMaximumHeight(math.ceil(total))
        self._view.setMinimumHeight(math.ceil(min(total, LEAST_PX)))
        share = min(1.0, (self.height() - self.titles[0].sizeHint().height() - 2 * GAP_PX) / total)
        for row, height in enumerate(heights):
            layout.setRowFixedHeight(row, height * max(share, 0.1))
        layout.setColumnFixedWidth(0, LABEL_PX - GAP_PX)
        if self._fitted:
            self.fit()

    def _step(self, place: str, axis: int) -> float:
        return self._steps[place][1 if axis == 2 or (place == "yz" and axis == 1) else 0]

    def _dragged(self, place: str, axis: int, line: Any) -> None:
        self.moved.emit(axis, line.value() / self._step(place, axis))

    def _clicked(self, event: Any) -> None:
        if event.double():
            self.fit()


class _PanesGraphics(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """Graphics that ask for the least height only; pyqtgraph's would ask for the one they had before."""

    def sizeHint(self) -> QSize:
        """Return the width that pyqtgraph asks for, and the least height."""
        return QSize(super().sizeHint().width(), self.minimumHeight())


class PanesWindow(QWidget):
    """A window of its own that holds a widget until it is closed."""

    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle("Compare")
        self._layout = QVBoxLayout(self)
        self.resize(960, 680)

    def take(self, widget: QWidget) -> None:
        """Show ``widget`` here."""
        self._layout.addWidget(widget)
        self.show()
        self.raise_()

    def closeEvent(self, event: Any) -> None:
        """Tell, so that the widget is taken back."""
        self.closed.emit()
        super().closeEvent(event)
