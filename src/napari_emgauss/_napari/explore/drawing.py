"""Pictures of sections, drawn off the GUI thread."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass

from napari_emgauss._napari.explore.scrub import COARSEST, Drawing
from napari_emgauss._types import FloatArray
from napari_emgauss.methods.emgauss import Draft, Reconstruction
from napari_emgauss.methods.emgauss.drawing.coarse import Merged

SCALE_ZOOM = 0.125
"""The map of the uncertainty is smooth: its mean is the same at this resolution."""


@dataclass(frozen=True)
class Picture:
    """A drawn section."""

    image: FloatArray
    error: FloatArray | None
    """The absolute error to expect of its pixels, if asked for."""
    seconds: float


def draw(
    reconstruction: Reconstruction | Draft,
    drawing: Drawing,
    *,
    density: float,
    merged: dict[float, Merged],
    with_error: bool,
) -> Picture:
    """Draw a section; from merged Gaussians while it moves.

    Parameters
    ----------
    reconstruction
        The model.
    drawing
        What of it.
    density
        Canvas pixels per section pixel.
    merged
        Models merged so far; new ones are added.
    with_error
        Whether to draw the uncertainty as well.
    """
    start_s = time.perf_counter()
    z, region, zoom = drawing.z, drawing.region, drawing.zoom
    if drawing.moving:
        sharp = _merging_zoom(drawing, density)
        image = reconstruction.sketch(z, region=region, zoom=zoom, sharp=sharp, known=merged)
    else:
        image = reconstruction.render(z, region=region, zoom=zoom)
    error = None
    if with_error:
        error = reconstruction.uncertainty(z, region=region, zoom=zoom)
    return Picture(image, error, time.perf_counter() - start_s)


def _merging_zoom(drawing: Drawing, density: float) -> float:
    """Return the resolution that merged Gaussians must serve, one of two: merging takes longer than drawing."""
    return density if drawing.zoom > density * math.sqrt(COARSEST) else density * COARSEST


def mean_error(reconstruction: Reconstruction | Draft) -> float:
    """Return the mean error to expect in the middle of the gaps, where it is highest, in the stack's intensities."""
    sections = reconstruction.observed
    middles = [(low + high) / 2 for low, high in itertools.pairwise(sections)]
    means = [float(reconstruction.uncertainty(z, zoom=SCALE_ZOOM).mean()) for z in middles]
    return sum(means) / len(means)
