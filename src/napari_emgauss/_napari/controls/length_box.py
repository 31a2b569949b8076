"""A box for a length in nanometres."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QLocale
from qtpy.QtWidgets import QDoubleSpinBox

DECIMALS = 6


class LengthBox(QDoubleSpinBox):
    """Shows 48 rather than 48.000000, with a decimal point in every language; a comma may be typed for it.

    Qt would parse in the system's language what is shown in another: 4.5 became 45 where the comma is the point.
    """

    def __init__(self, prefix: str, *, least: float = 0.0) -> None:
        super().__init__()
        self.setLocale(QLocale.c())
        self.setRange(least, 1e6)
        self.setDecimals(DECIMALS)
        self.setPrefix(prefix)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)

    def textFromValue(self, value: float) -> str:
        """Text of ``value``."""
        return f"{value:.7g}"

    def valueFromText(self, text: str | None) -> float:
        """Inverse of `textFromValue`."""
        return super().valueFromText(_with_point(text))

    def validate(self, text: str | None, position: int) -> Any:
        """Whether ``text`` is a length, or may become one."""
        return super().validate(_with_point(text), position)


def _with_point(text: str | None) -> str:
    return (text or "").replace(",", ".")
