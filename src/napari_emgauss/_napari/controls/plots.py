"""Small plots in a dock."""

from __future__ import annotations

import pyqtgraph as pg
from napari.settings import get_settings
from napari.utils.theme import get_theme

DARK_ACCENT = "#9a5b00"
"""Of curves on a light background, on which napari's yellow is hardly seen."""


def small_plot(height_px: int) -> pg.PlotWidget:
    """Return a plot that is looked at only."""
    plot = pg.PlotWidget(background=None)
    plot.setFixedHeight(height_px)
    plot.setMinimumWidth(120)
    plot.hideButtons()
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(x=False, y=False)
    plot.getAxis("left").enableAutoSIPrefix(False)
    plot.getAxis("bottom").enableAutoSIPrefix(False)
    return plot


def take_theme(plot: pg.PlotWidget) -> None:
    """Draw the axes in the colour of napari's text."""
    text, _ = theme_colours()
    for side in ("left", "bottom"):
        plot.getAxis(side).setPen(text)
        plot.getAxis(side).setTextPen(text)
    plot.resetCachedContent()  # its background is the theme's, and is kept


def theme_colours() -> tuple[str, str]:
    """Return the colours of text and of curves in napari's theme."""
    theme = get_theme(get_settings().appearance.theme)
    on_dark = sum(theme.background.as_rgb_tuple()[:3]) < 3 * 128
    return theme.text.as_hex(), theme.warning.as_hex() if on_dark else DARK_ACCENT
