"""Stacks with their settings, checked; nothing is learned yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.measured import Measured, frame_of
from napari_emgauss.methods.svr.reconstruction import SliceReconstruction
from napari_emgauss.methods.svr.schedule import schedule
from napari_emgauss.slices import SliceStack, check_stacks, common_scale


@dataclass(frozen=True, eq=False)
class SliceSetup:
    """Stacks with their settings.

    Parameters
    ----------
    stacks
        The first one is the reference: the result lies where its slices lie on average.
    config
        Settings.
    start
        Reconstruction of the same stacks whose training continues.
    known_motion
        Of each stack's slices (n, 6), where something is known of it; None where it starts as the headers say.
    """

    stacks: tuple[SliceStack, ...]
    config: SvrConfig
    start: SliceReconstruction | None = None
    known_motion: tuple[AnyArray, ...] | None = None

    def __post_init__(self) -> None:
        check_stacks(self.stacks)
        for first, second in combinations(self.stacks, 2):
            if np.array_equal(first.images, second.images):
                raise VolumeError(
                    f"{first.name} and {second.name} are the same images. Name every stack once: what is there twice "
                    "bears itself out."
                )
        if self.known_motion is not None:
            shapes = [tuple(np.shape(motion)) for motion in self.known_motion]
            wanted = [(stack.n_slices, 6) for stack in self.stacks]
            if shapes != wanted or not all(np.isfinite(motion).all() for motion in self.known_motion):
                raise ConfigError(
                    f"known_motion must be finite and of the shapes {wanted}, one for each stack, got {shapes}. "
                    "Give a rotation vector in radians and a translation in mm for every slice."
                )
        if not any(len(stack.used) for stack in self.stacks[:1]):
            raise VolumeError("the first stack is the reference and shows nothing in its mask. Put another one first.")
        if self.start is not None and not self.start.fits(self.stacks):
            raise ConfigError(
                f"the model is of other stacks ({self.start.describe()}) than "
                f"{'; '.join(stack.describe() for stack in self.stacks)}; training can only continue with the same "
                "ones. Train a new model."
            )

    @cached_property
    def frame(self) -> AnyArray:
        """Map (4, 4) from the frame of the reconstruction to the world."""
        return frame_of(self.stacks[0])

    @cached_property
    def intensity(self) -> float:
        """Typical intensity of the first stack: what intensities are divided by."""
        first = self.stacks[0]
        return max(float(np.median(np.abs(first.images[first.inside]))), 1e-30)

    @cached_property
    def scales(self) -> list[float]:
        """Factors that bring the intensities of each stack to those of the first, of which the typical one is 1."""
        return [scale / self.intensity for scale in common_scale(self.stacks)]

    @property
    def n_iterations(self) -> int:
        """Iterations of the whole training."""
        return schedule(self.config, continued=self.start is not None).total

    def measured(self, placements: Sequence[AnyArray]) -> Measured:
        """Return the slices, with their stacks moved by rigid matrices (4, 4) in the world."""
        return Measured.of(self.stacks, placements, self.frame, self.config.slice_profile, self.scales)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the settings, the slices and what is continued."""
        digest = hashlib.sha256(json.dumps(["svr", self.config.to_json()], sort_keys=True).encode())
        for stack in self.stacks:
            digest.update(json.dumps([stack.images.shape, stack.affine.tolist(), stack.thickness_mm]).encode())
            digest.update(np.packbits(stack.inside).tobytes())
            digest.update(stack.images.tobytes())
        for motion in self.known_motion or ():
            digest.update(np.asarray(motion, np.float64).tobytes())
        if self.start is not None:
            digest.update(self.start.motion.tobytes())
            digest.update(self.start.gaussians.amplitude.numpy().tobytes())
        return digest.hexdigest()


def prepare(
    stacks: Sequence[SliceStack] | SliceStack,
    *,
    start: SliceReconstruction | None = None,
    known_motion: Sequence[AnyArray] | None = None,
    **settings: Any,
) -> SliceSetup:
    """Return what `reconstruct_slices` would train with these arguments; raises what it would raise."""
    given = (stacks,) if isinstance(stacks, SliceStack) else tuple(stacks)
    for stack in given:
        if not isinstance(stack, SliceStack):
            raise VolumeError(f"stacks must be of SliceStack, as read_stack returns them, got {type(stack).__name__}.")
    config = (SvrConfig() if start is None else start.config).with_settings(**settings)
    return SliceSetup(given, config, start, None if known_motion is None else tuple(known_motion))
