"""What plain interpolation is worth at the distance itself, told by rows of the sections.

In a material that is alike in all directions, rows of a section as far apart as sections are like these; and what lies
between rows is known. Optical flow and networks need sections, so rows tell of plain interpolation without flow alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.mixture.fusion import PLAIN, Stack
from napari_emgauss.interpolation.mixture.shares import best_shares, error_products
from napari_emgauss.interpolation.mixture.texture import Array
from napari_emgauss.interpolation.plain import Baseline, Interpolator

STILL = tuple(name for name in PLAIN if not name.startswith("flow"))
"""Plain candidates without flow."""
COMPARED = "linear+blur1.0"
"""Candidate whose errors tell whether rows are like sections."""
ALIKE = 3.0
"""Rows are like sections if its squared errors, across twice the distance, differ by at most this factor."""
LITTLE, MORE = 0.5, 3.0
"""Rows are asked where hidden sections leave at least this share of the variance unknown; and where something is known,
rows decide if they leave as many times less unknown."""
SIDE_PX, SECTIONS = 256, 6
"""Part of the sections that is looked at: its side, and how many of each stack."""
_FEWEST = 4


def told_by_rows(stacks: Sequence[Stack], names: Sequence[str], shares: Array, hidden: Array, variance: float) -> Array:
    """Return the shares of plain candidates that rows ask for, if they know much more than hidden sections.

    Parameters
    ----------
    stacks
        The sections.
    names
        The k candidates.
    shares
        Their shares (k,) by hidden sections; returned where rows are no better.
    hidden
        Mean products (k, k) of the candidates' errors at hidden sections, across twice the distance.
    variance
        Of these sections: the squared error of a constant.
    """
    unknown = float(shares @ hidden @ shares)
    if unknown < LITTLE * variance:
        return shares
    near, far = (row_products(stacks, times) for times in (1, 2))
    if near is None or far is None:
        return shares
    compared, by_rows = names.index(COMPARED), STILL.index(COMPARED)
    ratio = hidden[compared, compared] / max(far[by_rows, by_rows], 1e-12)
    best = best_shares(near)
    if not 1 / ALIKE < ratio < ALIKE or (unknown < variance and MORE * float(best @ near @ best) > unknown):
        return shares
    told = np.zeros(len(names))
    told[[names.index(name) for name in STILL]] = best
    return told


def row_products(stacks: Sequence[Stack], times: int) -> Array | None:
    """Return the mean products of the errors of `STILL` at what lies between rows (and columns) of sections.

    They are ``times`` as far apart as sections. None if there are too few rows.
    """
    products = []
    apart = round(times * stacks[0].factor)
    for stack in stacks:
        chosen = np.unique(np.linspace(0, len(stack.sections) - 1, SECTIONS).round().astype(int))
        sections = stack.sections[chosen, :SIDE_PX, :SIDE_PX]
        for axis in (1, 2):
            rows = np.moveaxis(sections, axis, 0)
            if (len(rows) - 1) // apart + 1 >= _FEWEST and apart > 1:
                products.append(_products(rows, apart))
    return np.asarray(np.mean(products, 0), np.float64) if products else None


def _products(rows: FloatArray, apart: int) -> Array:
    """Return the products for rows (n, sections, X), of which every one ``apart`` is seen."""
    seen = Interpolator(rows[::apart])
    last = (len(rows) - 1) // apart
    between = [y for y in range(apart, (last - 1) * apart) if y % apart]  # the outermost gaps lack a neighbour
    unblurred = {
        method: np.stack([seen.by(method).section(y / apart) for y in between])
        for method in dict.fromkeys(Baseline.parse(name).method for name in STILL)
    }
    candidates = []
    for baseline in map(Baseline.parse, STILL):
        image = unblurred[baseline.method]
        candidates.append(gaussian_filter1d(image, baseline.blur_px, axis=-1) if baseline.blur_px else image)
    return error_products(candidates, rows[between])
