"""A box for a length in nanometres."""

from __future__ import annotations

import re
from typing import Any

from qtpy.QtCore import QLocale
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QDoubleSpinBox

from napari_emgauss._napari.controls.elements import words_for_least

DECIMALS = 6


class LengthBox(QDoubleSpinBox):
    """Shows 48 rather than 48.000000, with a decimal point in every language; a comma may be typed for it, and 1e3.

    Qt would parse in the system's language what is shown in another: 4.5 became 45 where the comma is the point.

    Parameters
    ----------
    axis
        z, y or x; shown before the number.
    tip
        Added to the tooltip.
    least
        Smallest length in nm. With 0 it stands for an unknown one and is shown as a question.
    suffix
        Shown after the number.
    """

    def __init__(self, axis: str, *, tip: str = "", least: float = 0.0, suffix: str = "") -> None:
        super().__init__()
        self.setLocale(QLocale.c())
        self.setRange(least, 1e6)
        self.setDecimals(DECIMALS)
        self.setPrefix(f"{axis} ")
        self.setSuffix(suffix)
        if least == 0:
            words_for_least(self, f"{axis}?")
        self.setToolTip(f"Voxel size along {axis} in nanometres{tip}.")
        self.setAccessibleName(f"Voxel size along {axis} in nanometres" if axis else "")
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)

    def textFromValue(self, value: float) -> str:
        """Return the text of ``value``."""
        return f"{value:.7g}"

    def valueFromText(self, text: str | None) -> float:
        """Return the value of ``text``, the inverse of `textFromValue`."""
        number = self._number(text)
        try:
            return float(number)
        except ValueError:
            return self.value() if number else 0.0

    def validate(self, text: str | None, position: int) -> Any:
        """Tell whether ``text`` is a length, or may become one."""
        number = self._number(text)
        if (text or "") == self.specialValueText():
            state = QValidator.State.Acceptable
        elif not _BEGINNING.fullmatch(number):
            state = QValidator.State.Invalid
        elif _WHOLE.fullmatch(number) and self.minimum() <= float(number) <= self.maximum():
            state = QValidator.State.Acceptable
        else:
            state = QValidator.State.Intermediate
        return state, text or "", position

    def _number(self, text: str | None) -> str:
        """Return what was typed between prefix and suffix, with a point."""
        inner = (text or "").removeprefix(self.prefix()).removesuffix(self.suffix())
        return "" if inner == self.specialValueText() else inner.strip().replace(",", ".").lower()


_BEGINNING = re.compile(r"\d*\.?\d*(?:(?<=[\d.])e[+-]?\d*)?")
_WHOLE = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
"""Like 48, 4.5 and 1e3; and what may become one."""
