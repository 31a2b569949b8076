"""How far the map of a reconstruction can be trusted, by several correlations of its halves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.metrics.fourier import FourierCorrelation
from napari_emgauss.metrics.maps import MaskedCorrelation, directional_correlation, masked_correlation, soft_mask

CROSS, GOLD, PLAIN = "cross", "gaussians", "plain"
THRESHOLDS = (0.143, 0.5)
KINDS = ("unmasked", "masked", "corrected")
TO_TRUTH = 0.6
"""Correlation with the truth at the resolution: 0.5 with a margin, for it is estimated."""
LABELS = {
    CROSS: "Gaussians of one half, back-projection of the other",
    GOLD: "Gaussians of both halves",
    PLAIN: "back-projections of both halves",
}
WARNING = (
    "Gaussians of both halves agree beyond what either knows, since both are smooth in the same way: their own "
    "correlation is no measure of resolution. The cross-correlation is."
)

AXES = {"x": (0.0, 0.0, 1.0), "y": (0.0, 1.0, 0.0), "z": (1.0, 0.0, 0.0)}
DIAGONALS = {
    "y+x": (0.0, 1.0, 1.0),
    "y-x": (0.0, 1.0, -1.0),
    "z+x": (1.0, 0.0, 1.0),
    "z-x": (1.0, 0.0, -1.0),
    "z+y": (1.0, 1.0, 0.0),
    "z-y": (1.0, -1.0, 0.0),
}
CORNERS = {"z+y+x": (1.0, 1.0, 1.0), "z+y-x": (1.0, 1.0, -1.0), "z-y+x": (1.0, -1.0, 1.0), "z-y-x": (1.0, -1.0, -1.0)}
DIRECTIONS = {**AXES, **DIAGONALS, **CORNERS}
"""Directions (z, y, x) that the resolution is measured along: to the faces, edges and corners of a cube."""
ALONG = 0.5
"""Correlation at the resolution along a direction: cones hold too few coefficients for less."""
UNMEASURED = (
    "No resolution could be measured: the halves do not agree. Check the poses, the sign and the pixel size; too few "
    "particles do not agree either."
)


@dataclass(frozen=True, eq=False)
class MapResolution:
    """Correlations of half maps, and the resolution that they give.

    Parameters
    ----------
    pixel_size_angstrom
        Side of a voxel.
    curves
        ``cross``: Gaussians of one half against the plain back-projection of the other, the mean of both ways;
        ``gaussians`` and ``plain``: half against half. Those of Gaussians are missing where these were not trained yet.
    mask
        Soft mask (n, n, n) around the molecule.
    """

    pixel_size_angstrom: float
    curves: Mapping[str, MaskedCorrelation]
    mask: FloatArray
    directions: Mapping[str, FourierCorrelation] = field(default_factory=dict)
    """The cross-correlation within cones around `DIRECTIONS`, masked; empty where it was not asked for."""

    @property
    def along_angstrom(self) -> dict[str, float]:
        """Resolution in Å along every direction, where the masked cross-correlation in its cone falls to 0.5."""
        return {name: own.resolution(ALONG) * self.pixel_size_angstrom for name, own in self.directions.items()}

    @property
    def angstrom(self) -> float:
        """Resolution: the coarser of the cross-correlation at 0.143 and `to_truth` at 0.6, corrected for the mask.

        Where there are no Gaussians yet, that of the plain halves at 0.143.
        """
        if CROSS not in self.curves:
            return self.at(PLAIN, 0.143)
        return max(self.at(CROSS, 0.143), self.to_truth.resolution(TO_TRUTH) * self.pixel_size_angstrom)

    @property
    def to_truth(self) -> FourierCorrelation:
        """Correlation of a half's Gaussians with the truth, as far as it can be known.

        The cross-correlation is the product of those of the Gaussians and of the plain map with the truth, and of the
        latter the square is that of the plain halves with each other.
        """
        cross, plain = self.curves[CROSS].corrected, self.curves[PLAIN].corrected
        values = cross.correlation / np.sqrt(np.clip(plain.correlation, 1e-3, 1))
        return FourierCorrelation(cross.frequency, np.clip(values, -1, 1), cross.n_coefficients)

    @property
    def labels(self) -> dict[str, str]:
        """What its curves are of, in words."""
        return {curve: label for curve, label in LABELS.items() if curve in self.curves}

    def at(self, curve: str, threshold: float, *, masked: str = "corrected") -> float:
        """Return the resolution in Å of a curve, ``unmasked``, ``masked`` or ``corrected``, at a threshold."""
        correlation: FourierCorrelation = getattr(self.curves[curve], masked)
        return correlation.resolution(threshold) * self.pixel_size_angstrom

    def table(self) -> str:
        """Return all of it as text; what was not reached is a dash."""
        resolutions = [self.at(curve, t, masked=kind) for curve in self.labels for kind in KINDS for t in THRESHOLDS]
        if not np.isfinite(resolutions).any():
            return UNMEASURED
        lines = [f"{'resolution in Å':52} {'unmasked':>16} {'masked':>16} {'corrected':>16}"]
        lines.append(f"{'':52} {'0.143     0.5':>16} {'0.143     0.5':>16} {'0.143     0.5':>16}")
        for curve, label in self.labels.items():
            pairs = [" ".join(_in_table(self.at(curve, t, masked=kind)) for t in THRESHOLDS) for kind in KINDS]
            lines.append(f"{label:52} " + " ".join(f"{pair:>16}" for pair in pairs))
        if self.directions:
            lines.append(self._directions_line())
        lines.append(f"resolution: {self.angstrom:.2f} Å" if np.isfinite(self.angstrom) else UNMEASURED)
        return "\n".join([*lines, WARNING])

    def _directions_line(self) -> str:
        along = self.along_angstrom
        axes = ", ".join(f"{name} {_in_table(along[name]).strip()}" for name in AXES)
        least, most = (_in_table(end(along.values())).strip() for end in (min, max))
        return f"along directions, masked, at {ALONG:g}: {axes}; of all from {least} to {most}"

    def figure(self, path: str | Path) -> Path:
        """Draw the corrected curves into an image file."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.subplots()
        for curve, label in self.labels.items():
            shown = self.curves[curve].corrected
            style = {"lw": 2.2} if curve == CROSS else {"lw": 1.2, "ls": "--"}
            axes.plot(shown.frequency / self.pixel_size_angstrom, shown.correlation, label=label, **style)
        if self.directions:
            cones = np.array([own.correlation for own in self.directions.values()])
            frequency = next(iter(self.directions.values())).frequency / self.pixel_size_angstrom
            axes.fill_between(frequency, cones.min(0), cones.max(0), color="C0", alpha=0.15, label="along directions")
        for threshold in THRESHOLDS:
            axes.axhline(threshold, color="0.6", lw=0.8)
        axes.set(xlabel="spatial frequency (1/Å)", ylabel="Fourier shell correlation", ylim=(-0.1, 1.02))
        measured = np.isfinite(self.angstrom)
        axes.set_title(f"{self.angstrom:.2f} Å by the cross-correlation" if measured else "no resolution measured")
        axes.legend(fontsize=8)
        figure.savefig(str(path), dpi=150)
        return Path(path)


def _in_table(angstrom: float) -> str:
    return f"{angstrom:7.2f}" if np.isfinite(angstrom) else f"{'–':>7}"


def map_resolution(
    gaussians: tuple[FloatArray | None, FloatArray | None],
    plain: tuple[FloatArray, FloatArray],
    pixel_size_angstrom: float,
    *,
    seed: int = 0,
    directional: bool = False,
) -> MapResolution:
    """Compare half maps of Gaussians, as far as there are, with plain back-projections of the halves.

    With ``directional`` also along directions, which takes about as long again.
    """
    rng = np.random.default_rng(seed)
    first, second = gaussians
    known = [own for own in gaussians if own is not None] or list(plain)
    mask = soft_mask(np.mean(known, axis=0))
    ways = [
        masked_correlation(own, other, mask, rng)
        for own, other in ((first, plain[1]), (second, plain[0]))
        if own is not None
    ]
    curves = {}
    if ways:
        curves[CROSS] = mean_of(*ways) if len(ways) == 2 else ways[0]
    if first is not None and second is not None:
        curves[GOLD] = masked_correlation(first, second, mask, rng)
    curves[PLAIN] = masked_correlation(*plain, mask, rng)
    directions = {}
    if directional and first is not None and second is not None:
        cones = (
            directional_correlation(own * mask, other * mask, list(DIRECTIONS.values()))
            for own, other in ((first, plain[1]), (second, plain[0]))
        )
        directions = dict(zip(DIRECTIONS, map(mean_curve, *cones), strict=True))
    return MapResolution(pixel_size_angstrom, curves, mask, directions)


def mean_of(first: MaskedCorrelation, second: MaskedCorrelation) -> MaskedCorrelation:
    """Return the mean of two correlations, curve by curve."""
    return MaskedCorrelation(
        mean_curve(first.unmasked, second.unmasked),
        mean_curve(first.masked, second.masked),
        mean_curve(first.corrected, second.corrected),
        min(first.random_from, second.random_from),
    )


def mean_curve(a: FourierCorrelation, b: FourierCorrelation) -> FourierCorrelation:
    """Return the mean of two curves."""
    return FourierCorrelation(a.frequency, 0.5 * (a.correlation + b.correlation), a.n_coefficients)
