"""Settings of GEM."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from napari_emgauss.errors import ConfigError
from napari_emgauss.settings import (
    Count,
    Flag,
    NonNegative,
    Number,
    Positive,
    PositiveCount,
    check_names,
    from_json,
    settings,
)

Amplitudes = Literal["auto", "positive", "signed"]
Refine = Literal["auto", "on", "off"]
Part = Annotated[Number, Field(gt=0, le=1)]


@settings
class GemConfig:
    """Settings of a map of Gaussians from particles."""

    n_gaussians: Count = 0
    """Gaussians of each half; 0 chooses by how much of the box the molecule fills."""
    amplitudes: Amplitudes = "auto"
    """Whether densities are all positive or of both signs; ``auto`` lets images that were not trained on decide."""
    symmetry: str = "C1"
    """Point group of the molecule, Cn or Dn; never inferred."""
    mask_radius: Part = 0.85
    """Radius of the sphere that holds the molecule, as a part of half the box."""
    refine: Refine = "auto"
    """Whether pose, shift and defocus of every particle are refined locally; ``auto`` lets hidden images decide."""
    whiten: Flag = True
    """Weigh frequencies by the power of the noise, measured for every optics group."""
    prior_weight: NonNegative = 0.12
    """Strength of the prior on the map's power per shell, as a part of what the agreement of the halves asks for."""
    shape_iterations: PositiveCount = 40
    """Iterations towards the most probable map of voxels."""
    likelihood_iterations: Count = 160
    """Iterations towards all images at once, through their sums, unless the other half's images end them before."""
    image_passes: NonNegative = 0.0
    """Passes over the images one batch after the other, once the sums have been fitted."""
    batch_images: PositiveCount = 16
    """Images of a batch."""
    smallest_px: Positive = 0.6
    """Smallest standard deviation of a Gaussian."""
    largest_px: Positive = 2.5
    """Largest standard deviation of a Gaussian."""
    start_px: Positive = 1.2
    """Standard deviation that Gaussians begin with."""
    start_smoothing_px: NonNegative = 1.0
    """Blur of the back-projection that Gaussians are placed on."""
    train_shapes: Flag = True
    """Train the standard deviations and rotations of Gaussians, not only their places and densities."""
    scale_start: Flag = True
    """Begin with the one density that explains the images best."""
    mix_voxels: Flag = True
    """Mix the most probable map of voxels into that of the Gaussians, per shell, where hidden images ask for it."""

    def __post_init__(self) -> None:
        if not self.smallest_px <= self.start_px <= self.largest_px:
            raise ConfigError(
                f"start_px must be within smallest_px..largest_px = {self.smallest_px}..{self.largest_px}, "
                f"got {self.start_px}."
            )

    def with_settings(self, **changes: Any) -> Self:
        """Return the same settings but for ``changes``; raises `ConfigError`."""
        check_names(changes, [field.name for field in dataclasses.fields(self)])
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Return settings from plain values, which need not be trusted; raises `ConfigError`."""
        return from_json(cls, values)
