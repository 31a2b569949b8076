"""Settings of a reconstruction from slices."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from napari_emgauss.settings import Count, Flag, Number, Positive, PositiveCount, check_names, fields_of, settings
from napari_emgauss.settings import from_json as settings_from_json
from napari_emgauss.slices import PROFILES, SliceProfile


@settings
class SvrConfig:
    """Settings of a reconstruction from slices."""

    voxel_size_mm: Annotated[Number, Field(gt=0, le=100)] = 1.0
    """Size of the result's voxels. Gaussians are placed no finer than these, nor than the slices' pixels."""
    profile: Literal["mri", "box"] = "mri"
    """How a slice weighs what lies in its thickness: 'mri', a Gaussian whose full width at half maximum it is; 'box',
    all alike (slices that were cut or milled)."""
    through_scale: Annotated[Number, Field(gt=0, le=10)] = 1.0
    """Width of the profile through the slice, by the slice's thickness."""
    in_plane_scale: Annotated[Number, Field(gt=0, le=10)] = 1.2
    """Full width at half maximum of the profile in the plane, by the spacing of pixels."""
    spacing: Annotated[Number, Field(ge=0.5, le=8)] = 1.25
    """Distance between Gaussians, by the larger of voxel and pixel."""
    smoothness: Annotated[Number, Field(ge=0, le=10)] = 0.0015
    """Weight of the differences between neighbouring Gaussians against the slices."""
    keep_edges: Flag = True
    """Smooth flat tissue more, and contours less, in the last solution."""
    solve_steps: PositiveCount = 30
    """Conjugate gradients of the last solution for the amplitudes."""
    align_stacks: Flag = True
    """Register the stacks to the first one as wholes, before their slices."""
    motion: Flag = True
    """Estimate a rigid motion for every slice."""
    motion_deg: Positive = 4.0
    """Angle that a slice may well be turned by (standard deviation)."""
    motion_mm: Positive = 3.0
    """Distance that a slice may well be moved by (standard deviation)."""
    smooth_motion: Flag = True
    """Expect slices that were acquired one after the other to have moved alike."""
    outliers: Flag = True
    """Give slices and pixels that do not fit the others less weight."""
    gain: Flag = True
    """Estimate the brightness of every slice."""
    bias_fields: Flag = True
    """Estimate for every stack how its brightness varies smoothly in space."""
    hide_every: Count = 6
    """One slice of so many is hidden from a coarse fit, to judge whether motion and bias fields that were found help;
    0: none is, and they are taken as they are."""

    @property
    def slice_profile(self) -> SliceProfile:
        """The point-spread function of slices."""
        return dataclasses.replace(
            PROFILES[self.profile], through_scale=self.through_scale, in_plane_scale=self.in_plane_scale
        )

    def with_settings(self, **changes: Any) -> SvrConfig:
        """Return the same settings but for ``changes``; raises `ConfigError`."""
        check_names(changes, fields_of(SvrConfig))
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON has them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Inverse of `to_json`; ``values`` need not be trusted."""
        return settings_from_json(cls, values)
