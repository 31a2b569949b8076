"""A box for a length in nanometres."""

from __future__ import annotations

import re
from typing import Any

from qtpy.QtCore import QLocale
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QDoubleSpinBox

from napari_emgauss._napari.controls.elements import words_for_least
from napari_emgauss.units import nm_per_unit

DECIMALS = 6


class LengthBox(QDoubleSpinBox):
    """Shows 48 rather than 48.000000, with a decimal point in every language; a comma may be typed for it, and 1e3.

    Along an axis 0.05 µm may be typed for 50.

    Qt would parse in the system's language what is shown in another: 4.5 became 45 where the comma is the point.

    Parameters
    ----------
    axis
        z, y or x; shown before the number, which is in nanometres then.
    tip
        Added to the tooltip.
    least
        Smallest length in nm. With 0 it stands for an unknown one and is shown as a question.
    suffix
        Shown after the number.
    """

    def __init__(self, axis: str, *, tip: str = "", least: float = 0.0, suffix: str = "") -> None:
        super().__init__()
        self._in_nm = bool(axis)
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
        number, factor = self._typed(text)
        try:
            return float(number) * factor
        except ValueError:
            return self.value() if number else 0.0

    def validate(self, text: str | None, position: int) -> Any:
        """Tell whether ``text`` is a length, or may become one."""
        number, factor = self._typed(text)
        if (text or "") == self.specialValueText():
            state = QValidator.State.Acceptable
        elif not _BEGINNING.fullmatch(number) and not (self._in_nm and _UNIT_BEGINS.fullmatch(number)):
            state = QValidator.State.Invalid
        elif _WHOLE.fullmatch(number) and self.minimum() <= float(number) * factor <= self.maximum():
            state = QValidator.State.Acceptable
        else:
            state = QValidator.State.Intermediate
        return state, text or "", position

    def _typed(self, text: str | None) -> tuple[str, float]:
        """Return what was typed between prefix and suffix, with a point, and what a unit after it multiplies it by."""
        inner = (text or "").removeprefix(self.prefix()).removesuffix(self.suffix())
        if inner == self.specialValueText():
            return "", 1.0
        typed = inner.strip().replace(",", ".").lower()
        with_unit = _WITH_UNIT.fullmatch(typed) if self._in_nm else None
        if with_unit is None:
            return typed, 1.0
        number, unit = with_unit.groups()
        return number, nm_per_unit(unit) or 1.0


_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_WHOLE = re.compile(_NUMBER)
_BEGINNING = re.compile(r"\d*\.?\d*(?:(?<=[\d.])e[+-]?\d*)?")
"""Like 48, 4.5 and 1e3; and what may become one."""
_WITH_UNIT = re.compile(rf"({_NUMBER})\s*(nm|[uµμ]m)")
_UNIT_BEGINS = re.compile(rf"{_NUMBER}\s*[nuµμ]")
