"""The slice profile: how much of what lies around a pixel its intensity is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import ConfigError

FWHM = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian of σ = 1."""
_BETWEEN_HALVES = 2 * 240**-0.25
"""Distance by the width of a box between two Gaussians that are like it up to the fourth moment."""
_REACH_SIGMA = 3.0
"""Quadrature of a Gaussian ends here; 0.3 % of it lies beyond."""


@dataclass(frozen=True, kw_only=True)
class SliceProfile:
    """Point-spread function of a slice, separable along its normal and its two axes.

    In the plane it is a Gaussian in either shape.
    """

    through: Literal["gaussian", "box"] = "gaussian"
    """Shape through the slice."""
    through_scale: float = 1.0
    """Width through the slice (FWHM of a Gaussian, full width of a box) by the slice's thickness."""
    in_plane_scale: float = 1.2
    """FWHM in the plane by the pixel's spacing."""

    def __post_init__(self) -> None:
        for name, value in (("through_scale", self.through_scale), ("in_plane_scale", self.in_plane_scale)):
            if not 0 < value <= 10:
                raise ConfigError(
                    f"{name} must be within 0..10, got {value!r}. 1 is as thick as the slice is said to be."
                )
        if self.through not in ("gaussian", "box"):
            raise ConfigError(f"through must be 'gaussian' or 'box', got {self.through!r}.")

    def sigma_mm(self, spacing_mm: AnyArray, thickness_mm: float) -> AnyArray:
        """Return standard deviations (3,) along (slice, row, column), mm.

        Parameters
        ----------
        spacing_mm
            Spacing (slice, row, column) of the stack; that between slices is not used: it is not their thickness.
        thickness_mm
            Of the stack's slices.
        """
        width = self.through_scale * thickness_mm
        through = width / (FWHM if self.through == "gaussian" else math.sqrt(12))
        return np.array([through, *(self.in_plane_scale * np.asarray(spacing_mm)[1:] / FWHM)])

    def gaussians(self, spacing_mm: AnyArray, thickness_mm: float) -> tuple[AnyArray, AnyArray]:
        """Return Gaussians, all alike, whose mean is the profile: their depths (k,) and variances (3,), in indices.

        A box is the mean of two that are like it up to the fourth moment; fields whose details are a third of its width
        hardly tell the difference.
        """
        spacing, sigma = np.asarray(spacing_mm, np.float64), self.sigma_mm(spacing_mm, thickness_mm)
        depths = np.zeros(1)
        if self.through == "box":
            width = self.through_scale * thickness_mm
            depths = np.array([-0.5, 0.5]) * width * _BETWEEN_HALVES
            sigma[0] = math.sqrt(sigma[0] ** 2 - depths[0] ** 2)
        return depths / spacing[0], (sigma / spacing) ** 2

    def nodes(
        self, spacing_mm: AnyArray, thickness_mm: float, n: tuple[int, int, int] = (7, 2, 2)
    ) -> tuple[AnyArray, AnyArray]:
        """Return a quadrature of the profile: offsets (m, 3) along (slice, row, column) in mm, and weights of sum 1.

        The nodes of an axis lie evenly; as a whole they have the profile's variance exactly.
        """
        sigma = self.sigma_mm(spacing_mm, thickness_mm)
        axes = [_axis(sigma[0], n[0], self.through), *(_axis(sigma[i], n[i], "gaussian") for i in (1, 2))]
        offsets = np.stack(np.meshgrid(*(axis[0] for axis in axes), indexing="ij"), -1).reshape(-1, 3)
        weights = np.multiply.outer(np.multiply.outer(axes[0][1], axes[1][1]), axes[2][1]).ravel()
        return offsets, weights


def _axis(sigma: float, n: int, shape: str) -> tuple[AnyArray, AnyArray]:
    if n == 1:
        return np.zeros(1), np.ones(1)
    steps = (np.arange(n) + 0.5) / n * 2 - 1
    if shape == "box" or n == 2:
        weights = np.full(n, 1 / n)
    else:
        weights = np.exp(-0.5 * (_REACH_SIGMA * steps) ** 2)
        weights /= weights.sum()
    return steps * sigma / math.sqrt(float(weights @ steps**2)), weights


PROFILES: Mapping[str, SliceProfile] = {"mri": SliceProfile(), "box": SliceProfile(through="box")}
"""By name: slices of 2D MRI, whose thickness is a FWHM; slices cut or averaged over their whole thickness alike."""
