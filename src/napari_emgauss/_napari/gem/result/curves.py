"""Correlations of half maps as the plot shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from napari_emgauss._types import AnyArray
from napari_emgauss.methods.gem.resolution import CROSS, GOLD, PLAIN, WARNING, MapResolution

CURVES = {
    "masked": (CROSS, "corrected"),
    "unmasked": (CROSS, "unmasked"),
    "plain": (PLAIN, "corrected"),
    "own": (GOLD, "corrected"),
}
"""Which curve of a resolution, and which correlation of it."""


@dataclass(frozen=True, eq=False)
class FscCurve:
    """A correlation over spatial frequencies."""

    name: str
    """A key of `CURVES`."""
    frequency: AnyArray
    """In 1/Å."""
    correlation: AnyArray


@dataclass(frozen=True, eq=False)
class FscCurves:
    """What is known of a map's resolution, in curves and words."""

    curves: Sequence[FscCurve]
    verdict: str
    warning: str
    """'' without curves that mislead."""
    highest: float
    """Last frequency in 1/Å."""


def curves_of(resolution: MapResolution) -> FscCurves:
    """Return the curves of a resolution that are known, with a verdict."""
    curves = []
    for name, (curve, kind) in CURVES.items():
        if curve in resolution.curves:
            own = getattr(resolution.curves[curve], kind)
            curves.append(FscCurve(name, own.frequency / resolution.pixel_size_angstrom, own.correlation))
    return FscCurves(
        curves=curves,
        verdict=describe_resolution(resolution),
        warning=WARNING if GOLD in resolution.curves else "",
        highest=0.5 / resolution.pixel_size_angstrom,
    )


def describe_resolution(resolution: MapResolution) -> str:
    """Return the resolution in words, with what it is read from: masked and unmasked, at both thresholds."""
    if CROSS not in resolution.curves:
        return f"Back-projections of both halves agree to {_words(resolution.angstrom)}; Gaussians come next."
    masked, unmasked = (resolution.at(CROSS, 0.143, masked=kind) for kind in ("corrected", "unmasked"))
    half = resolution.at(CROSS, 0.5)
    return (
        f"Resolution <b>{_words(resolution.angstrom)}</b>. The cross-correlation falls to 0.143 at {_words(masked)} "
        f"masked, {_words(unmasked)} unmasked, and to 0.5 at {_words(half)}."
    )


def _words(angstrom: float) -> str:
    return f"{angstrom:.3g} Å" if math.isfinite(angstrom) else "nothing"
