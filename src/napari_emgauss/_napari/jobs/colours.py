"""The colours of blocks, for the layer and its legend: they tell apart by lightness too, on black and on white."""

from __future__ import annotations

from typing import Any

from napari_emgauss.io.jobs import BlockState
from napari_emgauss.io.jobs.grid import LABELS

NAMES = {
    BlockState.WAITING: "To do",
    BlockState.RUNNING: "Running",
    BlockState.DONE: "Done",
    BlockState.FAILED: "Failed",
}
COLOURS = {
    BlockState.WAITING: "#8a8f98",
    BlockState.RUNNING: "#f2b705",
    BlockState.DONE: "#1a9e77",
    BlockState.FAILED: "#d6246e",
}
STRENGTHS = {BlockState.WAITING: 0.45, BlockState.RUNNING: 0.5, BlockState.DONE: 0.18, BlockState.FAILED: 0.65}
"""Opacities: what is done is there to be looked at."""


def colormap() -> Any:
    """Return napari's colormap of `LABELS`."""
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    for state, label in LABELS.items():
        red, green, blue = (int(COLOURS[state][i : i + 2], 16) / 255 for i in (1, 3, 5))
        colours[label] = (red, green, blue, STRENGTHS[state])
    return DirectLabelColormap(color_dict=colours)
