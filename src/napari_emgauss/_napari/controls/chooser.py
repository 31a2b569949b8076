"""A list of named things to choose from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter


class Chooser(QComboBox):
    """A list that keeps the choice when its entries come, go and are renamed.

    ``changed`` tells that another item, or none, is chosen; not that the list was filled anew.

    Parameters
    ----------
    tip
        Tooltip.
    items
        Name and item of each entry.
    width
        Characters shown at least: it may be narrower than its longest entry, so that a dock can be.
    """

    changed = Signal()

    def __init__(self, tip: str, items: Iterable[tuple[str, Any]] = (), *, width: int = 8) -> None:
        super().__init__()
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(width)
        view = self.view()
        if view is not None:
            view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._told: Any = None
        self.offer(items)
        self.currentIndexChanged.connect(self._tell)

    @property
    def item(self) -> Any:
        """The chosen item, None if there is none."""
        return self.currentData()

    @property
    def items(self) -> list[Any]:
        """All that can be chosen."""
        return [self.itemData(i) for i in range(self.count())]

    def shown_text(self, width_px: int) -> str:
        """Return the name of the choice as it is drawn: where it is too long, its middle is left out."""
        return self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideMiddle, width_px)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the choice; Qt would cut a long name off, and with it what tells two of them apart."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style, field = self.style(), QStyle.SubControl.SC_ComboBoxEditField
        assert style is not None
        rect = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, self)
        option.currentText = self.shown_text(rect.width())
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def offer(self, items: Iterable[tuple[str, Any]], *, prefer: Any = None, otherwise: int = 0) -> None:
        """List ``items`` instead of those before.

        Parameters
        ----------
        items
            Name and item of each entry.
        prefer
            Chosen if it is among them, before the item that was chosen so far.
        otherwise
            Place in the list of what is chosen if neither is there; -1 is the last.
        """
        before, blocked = self.item, self.blockSignals(True)
        self.clear()
        for name, item in items:
            self.addItem(name, item)
            self.setItemData(self.count() - 1, name, Qt.ItemDataRole.ToolTipRole)
        places = [self._place(item) for item in (prefer, before)]
        self.setCurrentIndex(next((i for i in places if i is not None), otherwise % max(self.count(), 1)))
        self.blockSignals(blocked)
        self._tell()

    def choose(self, item: Any) -> None:
        """Choose ``item`` if it is listed."""
        place = self._place(item)
        if place is not None:
            self.setCurrentIndex(place)

    def _place(self, item: Any) -> int | None:
        return next((i for i, known in enumerate(self.items) if known == item), None)

    def _tell(self) -> None:
        if self.item != self._told:
            self._told = self.item
            self.changed.emit()
