"""Methods that make a volume of slices, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.registration import SlicePixels, align_stacks
from napari_emgauss.registration.stacks import stack_motion
from napari_emgauss.slices import PROFILES, SliceProfile, SliceStack, WorldGrid, WorldVolume, common_scale
from napari_emgauss.voxels import SliceOperator, classical_svr, mean_of_stacks, scattered
from napari_emgauss.voxels.rounds import reconstruct_known, surroundings


@dataclass(frozen=True, eq=False)
class SliceVolume:
    """What a method makes of stacks."""

    volume: WorldVolume
    motion: Sequence[AnyArray] | None = None
    """Of each stack's slices (n, 6); None where the method estimates none."""
    weights: Sequence[AnyArray] | None = None
    """Of each stack's slices (n,); None where all count alike."""


class SliceMethod(Protocol):
    """Makes a volume of stacks."""

    def __call__(
        self, stacks: Sequence[SliceStack], grid: WorldGrid, motion: Sequence[AnyArray] | None, /
    ) -> SliceVolume:
        """Return the volume.

        Parameters
        ----------
        stacks
            As they were acquired.
        grid
            That the volume is wanted on; a method may choose another.
        motion
            Of each stack's slices (n, 6) where it is known; else the method estimates it, or does without.
        """
        ...


_COARSE = 4.0
MethodSelection = str | tuple[str, SliceMethod]
"""A name, or a name with a method of one's own."""


@dataclass(frozen=True)
class _Mean:
    def __call__(
        self, stacks: Sequence[SliceStack], grid: WorldGrid, motion: Sequence[AnyArray] | None, /
    ) -> SliceVolume:
        return SliceVolume(mean_of_stacks(_even(stacks), grid))


@dataclass(frozen=True)
class _Scattered:
    profile: SliceProfile

    def __call__(
        self, stacks: Sequence[SliceStack], grid: WorldGrid, motion: Sequence[AnyArray] | None, /
    ) -> SliceVolume:
        even = _even(stacks)
        pixels = [SlicePixels(stack, self.profile, surroundings(stack, stack.thickness_mm)) for stack in even]
        operator = SliceOperator(grid, pixels, _lying(even) if motion is None else motion)
        values = np.concatenate([part.values for part in pixels])
        return SliceVolume(scattered(operator, values, np.ones_like(values)), motion)


@dataclass(frozen=True)
class _SuperResolution:
    profile: SliceProfile
    smoothness: float = 0.01
    aligned: bool = False

    def __call__(
        self, stacks: Sequence[SliceStack], grid: WorldGrid, motion: Sequence[AnyArray] | None, /
    ) -> SliceVolume:
        even = _even(stacks)
        if motion is None and self.aligned:
            motion = [stack_motion(*pair) for pair in zip(even, align_stacks(even), strict=True)]
        placed = _lying(even) if motion is None else motion
        volume = reconstruct_known(even, placed, grid, profile=self.profile, smoothness=self.smoothness)
        return SliceVolume(volume, placed)


@dataclass(frozen=True)
class _Rounds:
    profile: SliceProfile
    rounds: int = 6
    smoothness: float = 0.01

    def __call__(
        self, stacks: Sequence[SliceStack], grid: WorldGrid, motion: Sequence[AnyArray] | None, /
    ) -> SliceVolume:
        rounds = self.rounds if motion is None else 0
        result = classical_svr(
            stacks, grid, profile=self.profile, smoothness=self.smoothness, rounds=rounds, start=motion
        )
        return SliceVolume(result.volume, result.motion, result.weights)


@dataclass(frozen=True)
class GaussiansFromSlices:
    """The method of `napari_emgauss.methods.svr` among the others, with any of its settings."""

    profile: SliceProfile
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(
        self, stacks: Sequence[SliceStack], grid: WorldGrid, motion: Sequence[AnyArray] | None, /
    ) -> SliceVolume:
        """Return its volume on the grid, with the motion and the weights that it found."""
        from napari_emgauss.methods.svr import SvrConfig, reconstruct_slices  # torch only when it is asked for

        profile = self.profile
        chosen: dict[str, Any] = {
            "voxel_size_mm": float(grid.spacing_mm.min()),
            "profile": next(name for name, one in PROFILES.items() if one.through == profile.through),
            "through_scale": profile.through_scale,
            "in_plane_scale": profile.in_plane_scale,
            **self.settings,
        }
        if motion is None:
            made = reconstruct_slices(stacks, **chosen)
        else:
            chosen = SvrConfig().with_settings(**chosen, motion=False, align_stacks=False).to_json()
            # Where slices are goes in as that of a coarse reconstruction to continue.
            coarse = reconstruct_slices(stacks, **{**chosen, "solve_steps": 1, "spacing": _COARSE})
            made = reconstruct_slices(stacks, start=replace(coarse, motion=np.concatenate(list(motion))), **chosen)
        parts = [made.of_stack(k) for k in range(len(stacks))]
        return SliceVolume(
            made.volume(grid=grid), [made.motion[part] for part in parts], [made.weights[part] for part in parts]
        )


def _even(stacks: Sequence[SliceStack]) -> list[SliceStack]:
    return [stack.scaled(factor) for stack, factor in zip(stacks, common_scale(stacks), strict=True)]


def _lying(stacks: Sequence[SliceStack]) -> list[AnyArray]:
    """Return the motion of slices that lie where their headers have them."""
    return [np.zeros((stack.n_slices, 6)) for stack in stacks]


SLICE_METHODS: Mapping[str, str] = {
    "mean": "mean of the stacks, resampled as they lie",
    "scattered": "every pixel spread over its profile",
    "cg": "super-resolution by conjugate gradients; slices as they lie where their motion is not known; cg:λ",
    "cg+stacks": "the same, stacks aligned as wholes first",
    "svr": "3D Gaussians that slices cut, each slice moved",
    "classical": "registration of slices and super-resolution in turns, six rounds; classical:rounds",
}
"""What `evaluate_slices` knows by name."""


def resolve_slice_methods(
    methods: str | Iterable[MethodSelection], profile: SliceProfile = PROFILES["mri"]
) -> list[tuple[str, SliceMethod]]:
    """Return pairs (name, method).

    Raises
    ------
    ConfigError
        A name is unknown or repeated, or none is given.
    """
    chosen: list[tuple[str, SliceMethod]] = []
    for one in [methods] if isinstance(methods, str) else methods:
        chosen.append((one, _named(one, profile)) if isinstance(one, str) else one)
    names = [name for name, _ in chosen]
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"methods must be one or more different ones, got {names}. Leave out what is repeated.")
    return chosen


def _named(name: str, profile: SliceProfile) -> SliceMethod:
    base, _, value = name.partition(":")
    number: Any = _number(value, name)
    if base == "mean" and not value:
        return _Mean()
    if base == "scattered" and not value:
        return _Scattered(profile)
    if base in ("cg", "cg+stacks"):
        return _SuperResolution(profile, 0.01 if number is None else number, base == "cg+stacks")
    if base == "svr" and not value:
        return GaussiansFromSlices(profile)
    if base == "classical":
        return _Rounds(profile, 6 if number is None else int(number))
    raise ConfigError(f"unknown method {name!r}; there are {', '.join(SLICE_METHODS)}. Or pass a pair (name, method).")


def _number(text: str, name: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value > 0:
        raise ConfigError(f"what follows the colon must be a positive number, got {name!r}, like cg:0.03.")
    return value
