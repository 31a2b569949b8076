"""What the gallery shows, made off the GUI thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.view_averages import view_average
from napari_emgauss.particles import Particles

N_SHOWN = 4
SHOWN_PX = 96
"""Particles are shown in boxes of at most this side."""
_CONTRAST_PERCENT = (0.3, 99.7)


@dataclass(frozen=True, eq=False)
class GalleryRow:
    """Images of a row with their titles, and the intensities that are black and white."""

    images: Sequence[FloatArray]
    titles: Sequence[str]
    limits: tuple[float, float]


def shown_particles(particles: Particles, page: int) -> list[int]:
    """Return the indices of the particles on a page of the gallery."""
    n = len(particles)
    shown = min(n, N_SHOWN)
    return [(place * n // shown + page) % n for place in range(shown)]


def seen_and_averaged(particles: Particles, indices: Sequence[int]) -> tuple[GalleryRow, GalleryRow]:
    """Return particles as they were recorded, and the averages of similar directions."""
    small = particles.with_box(min(particles.box_px, SHOWN_PX))
    seen = gallery_row(list(small.read(indices)), [f"{i + 1:,}" for i in indices])
    averages = [view_average(small, i) for i in indices]
    titles = [f"{own.n_particles} in {own.within_deg:.0f}°" for own in averages]
    return seen, gallery_row([own.image for own in averages], titles)


def gallery_row(images: Sequence[FloatArray], titles: Sequence[str]) -> GalleryRow:
    """Return a row in the contrast of its images; empty places are filled with blank ones."""
    low, high = (float(v) for v in np.percentile(np.stack(images), _CONTRAST_PERCENT))
    missing = N_SHOWN - len(images)
    blank = np.full(images[0].shape, low, np.float32)
    return GalleryRow([*images, *[blank] * missing], [*titles, *[""] * missing], (low, high if high > low else low + 1))
