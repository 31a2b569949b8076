"""A box for a length in nanometres."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QLocale
from qtpy.QtWidgets import QDoubleSpinBox

DECIMALS = 6


class LengthBox(QDoubleSpinBox):
    """Shows 48 rather than 48.000000, with a decimal point in every language; a comma may be typed for it.

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
            self.setSpecialValueText(f"{axis}?")
        self.setToolTip(f"Voxel size along {axis} in nanometres{tip}.")
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)

    def textFromValue(self, value: float) -> str:
        """Return the text of ``value``."""
        return f"{value:.7g}"

    def valueFromText(self, text: str | None) -> float:
        """Return the value of ``text``, the inverse of `textFromValue`."""
        return super().valueFromText(_with_point(text))

    def validate(self, text: str | None, position: int) -> Any:
        """Tell whether ``text`` is a length, or may become one."""
        return super().validate(_with_point(text), position)


def _with_point(text: str | None) -> str:
    return (text or "").replace(",", ".")
