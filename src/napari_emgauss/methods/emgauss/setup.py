"""A stack with its settings, checked and cut into blocks; nothing is learned yet."""

from __future__ import annotations

import hashlib
import json
import numbers
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import FloatArray, Region
from napari_emgauss.blocks import Block, Plan
from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.methods.emgauss import presets
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.model import BlockShape, plan_of
from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
from napari_emgauss.methods.emgauss.schedule import schedule
from napari_emgauss.resampling.scaling import Scaling
from napari_emgauss.resampling.unit import IntensityScale
from napari_emgauss.runtime.device import choose_device, repeatable
from napari_emgauss.runtime.torch_threads import one_torch_thread
from napari_emgauss.sections import FAR, denoise_lightly
from napari_emgauss.training import Schedule
from napari_emgauss.volume import Volume

MIN_TILE_PX = 128
"""Tiles are not made smaller than this when memory is short."""
DENOISING_BLUR_PX = 1.0
MIN_SECTIONS = 3
"""Fewer leave nothing to hide, and so no evidence."""
FINGERPRINT_BANDS = 8
"""Most bands of a section that the fingerprint holds: every process that works on a job reads them."""
MIN_FACTOR = 1.5
"""Below this anisotropy hardly anything lies between two sections."""


def training_sections(config: EmgaussConfig, n_sections: int) -> list[int]:
    """Return the indices of the sections that are trained on.

    Raises
    ------
    ConfigError
        ``hold_out`` or ``leave_out`` names a section that does not exist or is the first or last, or leaves fewer
        than two.
    """
    for name in ("hold_out", "leave_out"):
        for index in getattr(config.sections, name):
            if not 0 <= index < n_sections:
                raise ConfigError(f"{name} must name sections within 0..{n_sections - 1}, got {index}.")
    excluded = set(config.sections.hold_out) | set(config.sections.leave_out)
    for index in (0, n_sections - 1):
        if index in excluded:
            raise ConfigError(
                f"section {index} is an end of the stack and cannot be held or left out: nothing lies beyond it. "
                "Crop the stack instead."
            )
    kept = [index for index in range(n_sections) if index not in excluded]
    if len(kept) < 2:
        raise ConfigError(f"at least 2 sections must remain for training, got {len(kept)}.")
    return kept


@dataclass(frozen=True)
class Setup:
    """A stack with its settings, cut into blocks.

    Parameters
    ----------
    volume
        The observed stack.
    config
        Settings.
    device
        Where blocks are trained.
    seed
        Seed of all random numbers.
    preset
        Name of the preset that the settings began with, for the record.
    start
        Reconstruction of the same stack whose training continues.
    recorded
        The stack before any correction, whose intensities scores are measured in; ``volume`` if None.

    Raises
    ------
    ConfigError
        ``start`` is of another stack, or was cut into other blocks.
    """

    volume: Volume
    config: EmgaussConfig
    device: torch.device
    seed: int
    preset: str = ""
    start: Reconstruction | None = None
    recorded: Volume | None = None

    def __post_init__(self) -> None:
        start = self.start
        if start is None:
            return
        if start.shape != self.volume.shape:
            raise ConfigError(
                f"the model is of a stack of shape {start.shape}, this one has {self.volume.shape}; training can only "
                "continue with the same stack. Train a new model."
            )
        same_field = start.config.model.field == self.config.model.field
        if list(start.observed) != self.observed or start.plan != self.plan or not same_field:
            raise ConfigError(
                "the model was trained with other blocks, sections or another deformation field; continuing needs the "
                "same hold_out, leave_out, bundle, tile and field settings. Train a new model."
            )

    @cached_property
    def observed(self) -> list[int]:
        """Indices of the sections trained on."""
        return training_sections(self.config, self.volume.n_sections)

    @cached_property
    def scaling(self) -> Scaling:
        """Intensity normalisation."""
        if self.start is not None:
            return self.start.scaling
        return Scaling.of(self.volume, self.observed)

    @cached_property
    def plan(self) -> Plan:
        """Division of the observed sections; ``z`` counts observed sections."""
        return plan_of(self.config, len(self.observed), (self.volume.shape[1], self.volume.shape[2]))

    @property
    def can_hide(self) -> bool:
        """Whether there are sections enough to hide some, and so to gather evidence."""
        return len(self.observed) >= MIN_SECTIONS

    @property
    def n_pseudo(self) -> int:
        """Pseudo-sections in every gap that a teacher is to predict; 0 where none are wanted or possible."""
        teacher = self.config.teacher
        if not teacher.predicts_sections or self.start is not None or self.volume.factor < MIN_FACTOR:
            return 0
        return teacher.pseudo_sections if teacher.prior or self.can_hide else 0

    @property
    def can_teach_lateral(self) -> bool:
        """Whether a lateral network is wanted, and sections are wide enough to hide rows at twice the factor."""
        wide = min(self.volume.shape[1:]) >= 4 * max(self.volume.factor, 2.0)
        return bool(self.n_pseudo) and self.config.teacher.lateral_steps > 0 and self.can_hide and wide

    def n_anchors(self, block: Block) -> int:
        """Return the observed and pseudo-sections of a block."""
        start, stop = self.plan.z[block.z]
        return stop - start + (stop - start - 1) * self.n_pseudo

    def schedule(self, block: Block) -> Schedule:
        """Return the schedule of a block."""
        y0, y1, x0, x1 = self.plan.region(block)
        return schedule(self.config, self.n_anchors(block), max(y1 - y0, x1 - x0))

    @cached_property
    def n_iterations(self) -> int:
        """Iterations of all blocks."""
        return sum(n * self.schedule(block).total for block, n in self.block_sizes.items())

    @cached_property
    def block_sizes(self) -> dict[Block, int]:
        """One block of every size, and how many have it: there may be a million blocks, of few sizes."""
        found: dict[tuple[int, ...], Block] = {}
        counts: Counter[Block] = Counter()
        for block in self.plan.blocks:
            (start, stop), (y0, y1, x0, x1) = self.plan.z[block.z], self.plan.region(block)
            counts[found.setdefault((stop - start, y1 - y0, x1 - x0), block)] += 1
        return dict(counts)

    @property
    def largest_tile_px(self) -> int:
        """Side of the largest tile."""
        return min(self.config.blocks.tile_px, max(self.volume.shape[1:]))

    def with_smaller_tiles(self) -> Setup:
        """Return the same with tiles of half the size."""
        least = max(MIN_TILE_PX, 2 * self.config.blocks.tile_overlap_px + 1)
        return replace(self, config=self.config.with_settings(tile_px=max(least, self.largest_tile_px // 2)))

    def sections_of(self, block: Block) -> list[int]:
        """Return the indices of a block's observed sections."""
        return self.observed[slice(*self.plan.z[block.z])]

    def block_shape(self, block: Block) -> BlockShape:
        """Return the place of a block's model."""
        return BlockShape.of(self.plan, block, self.observed)

    def read(self, indices: list[int], region: Region, *, denoise: bool = False) -> FloatArray:
        """Read normalised sections (n, Y, X) within ``region``, denoised as the settings say if asked for.

        Raises
        ------
        VolumeError
            A section has values that are no intensities: NaN, infinite, or absurdly far from all others.
        """
        y0, y1, x0, x1 = region
        how = self.config.sections.denoise if denoise else "none"
        sections = np.empty((len(indices), y1 - y0, x1 - x0), np.float32)
        for out, index in zip(sections, indices, strict=True):
            out[:] = self.scaling.normalise(self.volume.section(index, region))
            self._check_reach(out, index)
            if how == "light":
                out[:] = denoise_lightly(out)
            elif how == "blur":
                out[:] = gaussian_filter(out, DENOISING_BLUR_PX)
        return sections

    def _check_reach(self, section: FloatArray, index: int) -> None:
        far = ~(np.abs(section) <= FAR)
        if far.any():
            worst = float(section.flat[np.argmax(np.abs(section))]) * self.scaling.range + self.scaling.low
            raise VolumeError(
                f"section {index} has {int(far.sum())} values as far off as {worst:.3g}, while nearly all intensities "
                f"lie within {self.scaling.low:.3g}..{self.scaling.high:.3g}; at most {FAR:g} times that range can be "
                f"learned. Replace them (for example with numpy.clip) or {self.volume.without(index)}."
            )

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Limit torch to one thread where the compiled kernels do the work, and a GPU to what repeats bit for bit.

        On the CPU the published MLP's matrices use all threads.
        """
        on_cpu = self.device.type == "cpu"
        with (
            nullcontext() if on_cpu else repeatable(),
            nullcontext() if on_cpu and self.config.model.has_network else one_torch_thread(),
        ):
            yield

    def to_unit(self, image: FloatArray) -> FloatArray:
        """Return an image in the input's units as scores have it."""
        return self._unit.to_unit(image)

    @cached_property
    def _unit(self) -> IntensityScale:
        """Looks at the whole stack, so only where something is scored."""
        return IntensityScale.of(self.volume if self.recorded is None else self.recorded)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of settings, seed, shape, voxel size and a sample of the intensities."""
        digest = hashlib.sha256()
        stack = [self.volume.shape, self.volume.dtype.name, self.volume.voxel_size_nm]
        digest.update(json.dumps([self.config.to_json(), self.seed, *stack], sort_keys=True).encode())
        for index in (self.observed[0], self.observed[len(self.observed) // 2], self.observed[-1]):
            bands = self.volume.bands()
            for band in bands[:: -(-len(bands) // FINGERPRINT_BANDS)]:
                digest.update(self.volume.recorded(index, band).tobytes())
        if self.start is not None:
            for model in self.start.models:
                for tensor in model.state_dict().values():
                    digest.update(tensor.cpu().numpy().tobytes())
        return digest.hexdigest()


def prepare(
    volume: Volume,
    *,
    preset: str = "balanced",
    device: str = "auto",
    seed: int = 0,
    start: Reconstruction | None = None,
    **overrides: Any,
) -> Setup:
    """Return what `reconstruct` would train with these arguments; raises what it would raise, but for memory."""
    config = presets.preset(preset, **overrides) if start is None else start.config.with_settings(**overrides)
    if start is not None and config.sections.correct_sections != start.config.sections.correct_sections:
        raise ConfigError(
            f"correct_sections must stay {start.config.sections.correct_sections!r} when a model's training continues, "
            f"got {config.sections.correct_sections!r}: its sections are corrected as they were. Train a new model."
        )
    return Setup(volume, config, choose_device(device), _checked_seed(seed), preset, start, volume)


def _checked_seed(seed: int) -> int:
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**63:
        raise ConfigError(f"seed must be a whole number within 0..2**63 - 1, got {seed!r}.")
    return int(seed)
