"""Settings of the Gaussians and their deformation."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from napari_emgauss.settings import ActsWith, Count, Flag, NonNegative, Number, Positive, PositiveCount, Whole, settings


@settings
class ModelConfig:
    """Settings of any model of a block."""

    spacing_px: Positive = 4.0
    """Initial distance between Gaussians of one set; larger removes more noise and detail."""
    max_gaussians: PositiveCount = 4_000_000
    """Cap on the number of Gaussians of a block; initial grids are widened to respect it."""
    max_gaussians_per_px: Positive = 1.0
    """The same cap relative to the pixels of a block's section, for each set of Gaussians."""

    def cap(self, n_px: int) -> int:
        """Most Gaussians of one set on a section of ``n_px`` pixels."""
        return max(1, min(self.max_gaussians, round(self.max_gaussians_per_px * n_px)))

    def n_at_most(self, n_px: int) -> int:
        """Gaussians that one set comes to, on a section of ``n_px`` pixels."""
        return min(self.cap(n_px), round(n_px / self.spacing_px**2))

    @property
    def activations_per_gaussian(self) -> int:
        """Numbers that a network keeps of each Gaussian for the backward pass."""
        return 0


@settings
class AnchoredModelConfig(ModelConfig):
    """A set of Gaussians for every section, which drifts to the neighbouring sections on a motion grid."""

    field: Literal["anchored"] = "anchored"
    """The deformation along z."""
    adapt_spacing: Flag = True
    """Take a finer spacing where hidden sections are drawn better with it."""
    motion: Literal["flow", "none"] = "flow"
    """Where the motion grid starts: optical flow between neighbouring sections, or no motion."""
    motion_grid_px: PositiveCount = 8
    """Distance between nodes of the motion grid."""
    motion_blur_px: Annotated[NonNegative, ActsWith("motion", "flow")] = 2.0
    """Gaussian σ that smooths the optical flow before the motion grid samples it."""

    compositing: ClassVar[Literal["sum"]] = "sum"
    iterations_per_section: ClassVar[bool] = True
    """Whether iterations are counted for every section of a block, or for the block."""
    has_network: ClassVar[bool] = False

    def n_sets(self, n_sections: int) -> int:
        """Sets of Gaussians of a block with ``n_sections`` observed and pseudo-sections."""
        return n_sections

    def unit_px(self, extent_px: float) -> float:
        """Pixels in the unit of ``rate_mean``, on sections whose larger side is ``extent_px``."""
        return 1.0


@settings
class MlpModelConfig(ModelConfig):
    """One canonical set of Gaussians, deformed by a network as published."""

    field: Literal["mlp"] = "mlp"
    """The deformation along z."""
    compositing: Literal["sum", "alpha"] = "sum"
    """How Gaussians make an image: a weighted 'sum', or front-to-back 'alpha' as published."""
    mlp_depth: Annotated[Whole, Field(ge=1, le=64)] = 8
    """Hidden layers of the MLP."""
    mlp_width: Annotated[Whole, Field(ge=1, le=4096)] = 256
    """Units of a hidden layer."""
    mlp_frequencies_mean: Annotated[Whole, Field(ge=0, le=64)] = 10
    """Frequencies of the positional encoding of the mean."""
    mlp_frequencies_t: Annotated[Whole, Field(ge=0, le=64)] = 10
    """Frequencies of the positional encoding of t."""
    opacity_varies: Flag = True
    """Whether the MLP moves the opacity along z."""
    rotation_varies: Flag = False
    """Whether the MLP moves the rotation along z (the paper: it should not)."""
    initial_opacity: Annotated[Number, Field(gt=0, lt=1)] = 0.1
    """Opacity of new canonical Gaussians."""
    densify: Flag = False
    """Clone, split and prune Gaussians while training, by the 3DGS rules."""
    densify_start: Annotated[Count, ActsWith("densify", value=True)] = 500
    """First iteration of densification."""
    densify_stop: Annotated[Count, ActsWith("densify", value=True)] = 9000
    """Last iteration of densification."""
    opacity_reset_every: Annotated[Count, ActsWith("densify", value=True)] = 3000
    """Iterations between two opacity resets; 0 for none."""

    adapt_spacing: ClassVar[bool] = False
    iterations_per_section: ClassVar[bool] = False
    has_network: ClassVar[bool] = True

    def n_sets(self, n_sections: int) -> int:
        """Sets of Gaussians of a block with ``n_sections`` observed and pseudo-sections."""
        return 1

    def unit_px(self, extent_px: float) -> float:
        """Pixels in the unit of ``rate_mean``, on sections whose larger side is ``extent_px``."""
        return extent_px / 2

    def n_at_most(self, n_px: int) -> int:
        """Gaussians that one set comes to, on a section of ``n_px`` pixels."""
        return self.cap(n_px) if self.densify else super().n_at_most(n_px)

    @property
    def activations_per_gaussian(self) -> int:
        """Numbers that a network keeps of each Gaussian for the backward pass."""
        return 3 * self.mlp_depth * self.mlp_width
