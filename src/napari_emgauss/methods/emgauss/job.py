"""What EMGauss gives to the training loop: one model and task per block of the stack."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import expit
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.blocks import Block, Plan
from napari_emgauss.errors import ConfigError
from napari_emgauss.forward import AnchoredField, MlpField, SectionModel
from napari_emgauss.forward.fields import DeformationField
from napari_emgauss.gaussians import DensityControl, Gaussians, anchored_grid, canonical_grid, spacing_for
from napari_emgauss.interpolation.lateral import MixtureEvidence
from napari_emgauss.interpolation.plain import optical_flow, warp
from napari_emgauss.methods.emgauss.config import AnchoredModelConfig, EmgaussConfig, MlpModelConfig
from napari_emgauss.methods.emgauss.schedule import density_rules, schedule
from napari_emgauss.methods.emgauss.teacher import MARGIN_PX, STUDIED_PX, STUDIED_SECTIONS, Teacher, Watch, can_teach
from napari_emgauss.resampling.scaling import Scaling
from napari_emgauss.sections import denoise_lightly
from napari_emgauss.training import BlockTask, Schedule, Target
from napari_emgauss.volume import Volume

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss.reconstruction import Reconstruction

MIN_TILE_PX = 128
"""Tiles are not made smaller than this when memory is short."""
DENOISING_BLUR_PX = 1.0
CONFIDENCE_NOISE_PX = 1.0
"""Gaussian σ that suppresses noise before two sections are compared."""
CONFIDENCE_REACH_PX = 6.0
"""Gaussian σ of the neighbourhood over which their difference is averaged."""


def training_sections(config: EmgaussConfig, n_sections: int) -> list[int]:
    """Indices of the sections that are trained on.

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
class EmgaussJob:
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
    start
        Reconstruction of the same stack to go on from.
    teacher
        Source of pseudo-sections, once it is trained; see `n_pseudo`.
    watch
        Pause, stop and progress while it predicts them.
    evidence
        What hiding sections showed.

    Raises
    ------
    ConfigError
        ``start`` is of another stack, or was cut into other blocks.
    """

    volume: Volume
    config: EmgaussConfig
    device: torch.device
    seed: int
    start: Reconstruction | None = None
    teacher: Teacher | None = None
    watch: Watch | None = None
    evidence: MixtureEvidence | None = None

    def __post_init__(self) -> None:
        start = self.start
        if start is None:
            return
        if start.shape != self.volume.shape:
            raise ConfigError(
                f"the model is of a stack of shape {start.shape}, this one has {self.volume.shape}; training can only "
                "go on with the same stack. Train a new model."
            )
        if (
            list(start.observed) != self.observed
            or start.plan != self.plan
            or start.config.model.field != self.config.model.field
        ):
            raise ConfigError(
                "the model was trained with other blocks, sections or another deformation field; going on needs the "
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
        """How the observed sections are cut; ``z`` counts observed sections."""
        c = self.config.blocks
        return Plan.of(
            (len(self.observed), *self.volume.shape[1:]),
            bundle_sections=c.bundle_sections,
            bundle_overlap=c.bundle_overlap,
            tile_px=c.tile_px,
            tile_overlap_px=c.tile_overlap_px,
        )

    @property
    def n_pseudo(self) -> int:
        """Pseudo-sections in every gap that a teacher is to predict; 0 where the stack allows none."""
        if not self.config.teacher.predicts_sections or self.start is not None:
            return 0
        shape = (len(self.observed), *self.volume.shape[1:])
        return self.config.teacher.pseudo_sections if can_teach(shape, self.volume.factor) else 0

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.plan.blocks)

    @property
    def iterations_per_block(self) -> list[int]:
        """Iterations of each block's schedule."""
        return [self.schedule(block).total for block in self.plan.blocks]

    @property
    def largest_tile_px(self) -> int:
        """Side of the largest tile."""
        return min(self.config.blocks.tile_px, max(self.volume.shape[1:]))

    def with_smaller_tiles(self) -> EmgaussJob:
        """The same job with tiles of half the size."""
        tile_px = max(MIN_TILE_PX, 2 * self.config.blocks.tile_overlap_px + 1, self.largest_tile_px // 2)
        return replace(self, config=self.config.with_settings(tile_px=tile_px))

    def build(self, block: int) -> BlockTask:
        """Task of a block; the same at every call."""
        piece = self.plan.blocks[block]
        indices = self.observed[slice(*self.plan.z[piece.z])]
        held_out = [i for i in self.config.sections.hold_out if indices[0] < i < indices[-1]]
        z, sections, weights = self._with_pseudo_sections(indices, piece)
        if self.start is None:
            rng = np.random.default_rng((self.seed, block))
            model = build_model(self.config, z, sections, rng).to(self.device)
        else:
            model = copy.deepcopy(self.start.models[block]).to(self.device).requires_grad_(requires_grad=True)
        y0, y1, x0, x1 = self.plan.region(piece)
        density = density_rules(self.config, (y1 - y0) * (x1 - x0))
        return BlockTask(
            model=model,
            schedule=self.schedule(piece),
            observed=self._targets(z, sections, weights),
            held_out=self._targets([float(i) for i in held_out], self._read(held_out, piece, denoise=False)),
            density=None if density is None else DensityControl(density, max(y1 - y0, x1 - x0)),
            to_output=self.scaling.restore,
            origin_px=(y0, x0),
            seed=self.seed + block,
        )

    def schedule(self, block: Block) -> Schedule:
        """Schedule of a block."""
        y0, y1, x0, x1 = self.plan.region(block)
        return schedule(self.config, self.n_anchors(block), max(y1 - y0, x1 - x0), self.device.type)

    def n_anchors(self, block: Block) -> int:
        """Observed and pseudo-sections of a block."""
        start, stop = self.plan.z[block.z]
        return stop - start + (stop - start - 1) * self.n_pseudo

    def studied_sections(self) -> FloatArray:
        """Normalised sections (n, Y, X) for the teacher to learn from: all, or as many as memory should hold."""
        n = min(len(self.observed), STUDIED_SECTIONS)
        sides = [min(side, STUDIED_PX) for side in self.volume.shape[1:]]
        y, x = ((whole - side) // 2 for whole, side in zip(self.volume.shape[1:], sides, strict=True))
        # Evidence needs neighbours: a run of sections from the middle rather than every k-th.
        first = (len(self.observed) - n) // 2
        out = np.empty((n, *sides), np.float32)
        for k in range(n):
            section = self.volume.section(self.observed[first + k], (y, y + sides[0], x, x + sides[1]))
            out[k] = self.scaling.normalise(section)
        return out

    def _with_pseudo_sections(
        self, indices: list[int], block: Block
    ) -> tuple[list[float], FloatArray, list[FloatArray | None]]:
        """Coordinates and images of a block's sections, with the teacher's between them, and the weights of pixels."""
        sections = self._read(indices, block)
        z = [float(i) for i in indices]
        if self.teacher is None or not self.n_pseudo:
            return z, sections, [None] * len(z)
        predicted, confidence = self._predictions(indices, block)
        shares = np.arange(self.n_pseudo + 1) / (self.n_pseudo + 1)
        all_z = [below + float(t) * (above - below) for below, above in pairwise(z) for t in shares]
        images = [np.concatenate([sections[gap : gap + 1], predicted[gap]]) for gap in range(len(predicted))]
        weights = [weight for gap in confidence for weight in (None, *gap)]
        return [*all_z, z[-1]], np.concatenate([*images, sections[-1:]]), [*weights, None]

    def _predictions(self, indices: list[int], block: Block) -> tuple[FloatArray, FloatArray]:
        """The teacher's pseudo-sections and their confidence (gaps, n_pseudo, Y, X).

        It sees the neighbours of the block too.
        """
        assert self.teacher is not None
        start, stop = self.plan.z[block.z]
        first, last = max(start - 1, 0), min(stop + 1, len(self.observed))
        y0, y1, x0, x1 = self.plan.region(block)
        height, width = self.volume.shape[1:]
        top, left = max(y0 - MARGIN_PX, 0), max(x0 - MARGIN_PX, 0)
        around = (top, min(y1 + MARGIN_PX, height), left, min(x1 + MARGIN_PX, width))
        sections = np.stack([self.scaling.normalise(self.volume.section(i, around)) for i in self.observed[first:last]])
        gaps = slice(start - first, start - first + len(indices) - 1)
        inside = (gaps, slice(None), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        predicted, confidence = self.teacher.between(sections, self.n_pseudo, self.watch)
        return predicted[inside], confidence[inside]

    def _read(self, indices: list[int], block: Block, *, denoise: bool = True) -> FloatArray:
        region = y0, y1, x0, x1 = self.plan.region(block)
        sections = np.empty((len(indices), y1 - y0, x1 - x0), np.float32)
        for out, index in zip(sections, indices, strict=True):
            out[:] = self.scaling.normalise(self.volume.section(index, region))
            if denoise and self.config.sections.denoise == "light":
                out[:] = denoise_lightly(out)
            elif denoise and self.config.sections.denoise == "blur":
                out[:] = gaussian_filter(out, DENOISING_BLUR_PX)
        return sections

    def _targets(
        self, coordinates: list[float], sections: FloatArray, weights: Sequence[FloatArray | None] | None = None
    ) -> list[Target]:
        def tensor(image: FloatArray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(image)).to(self.device)

        weights = weights or [None] * len(coordinates)
        return [
            Target(z, tensor(section), None if weight is None else tensor(weight))
            for z, section, weight in zip(coordinates, sections, weights, strict=True)
        ]


def build_model(config: EmgaussConfig, z: list[float], sections: FloatArray, rng: np.random.Generator) -> SectionModel:
    """Model of one block at its start, on the CPU.

    Parameters
    ----------
    config
        Settings.
    z
        Coordinates of the sections, increasing.
    sections
        Normalised images (n, Y, X).
    rng
        Source of the grid's jitter and the network's weights.
    """
    shape = (sections.shape[1], sections.shape[2])
    settings = config.model
    cap = min(settings.cap(shape[0] * shape[1]), settings.max_gaussians / settings.n_sets(len(z)))
    anchored = isinstance(settings, AnchoredModelConfig)
    spacing_px = spacing_for(shape, settings.spacing_px, anchored=anchored, cap=cap)
    if isinstance(settings, MlpModelConfig):
        values = canonical_grid(sections, spacing_px=spacing_px, opacity=settings.initial_opacity, rng=rng)
        field: DeformationField = mlp_field(settings, (z[0], z[-1]), shape, rng)
        return SectionModel(Gaussians(values), field, shape, mode=settings.compositing)
    background = float(sections.mean())
    values, offsets = anchored_grid(sections, spacing_px=spacing_px, background=background, rng=rng)
    up, down = motion_grids(settings, sections)
    field = AnchoredField(z, offsets, shape, up, down)
    return SectionModel(Gaussians(values), field, shape, mode="sum", background=background)


def mlp_field(
    config: MlpModelConfig, z_range: tuple[float, float], shape: tuple[int, int], rng: np.random.Generator
) -> MlpField:
    """The published network, its weights drawn from ``rng`` without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        return MlpField(
            z_range,
            shape,
            depth=config.mlp_depth,
            width=config.mlp_width,
            n_frequencies_mean=config.mlp_frequencies_mean,
            n_frequencies_t=config.mlp_frequencies_t,
            opacity_varies=config.opacity_varies,
            rotation_varies=config.rotation_varies,
        )


def motion_grid_shape(config: AnchoredModelConfig, shape: tuple[int, int]) -> tuple[int, int]:
    """Nodes (gy, gx) of a motion grid over a section."""
    return max(2, round(shape[0] / config.motion_grid_px) + 1), max(2, round(shape[1] / config.motion_grid_px) + 1)


def motion_grids(config: AnchoredModelConfig, sections: FloatArray) -> tuple[Tensor, Tensor]:
    """Displacements (n - 1, 2, gy, gx) in px from each section to the next, and back."""
    n, *shape = sections.shape
    grid = motion_grid_shape(config, (shape[0], shape[1]))
    up = np.zeros((n - 1, 2, *grid), np.float32)
    down = np.zeros_like(up)
    if config.motion == "flow":
        grey = np.clip(sections * 255, 0, 255).astype(np.uint8)
        for i in range(n - 1):
            forth, back = optical_flow(grey[i], grey[i + 1]), optical_flow(grey[i + 1], grey[i])
            trust = motion_confidence(sections[i], sections[i + 1], forth, back)[..., None]
            up[i] = _on_grid(trust * forth, grid, config.motion_blur_px)
            down[i] = _on_grid(trust * back, grid, config.motion_blur_px)
    return torch.from_numpy(up), torch.from_numpy(down)


def motion_confidence(below: FloatArray, above: FloatArray, forth: FloatArray, back: FloatArray) -> FloatArray:
    """How far optical flow is believed, 0..1 per pixel: whether the sections agree better once moved to their middle.

    Where structures end or cross a gap too large for flow, motion makes the middle worse than plain fading does. With
    e the local mean squared difference of the two sections, before and after the move, the confidence is
    sigmoid((ln(e_before / e_after) - 0.5) / 0.2).
    """
    below, above = (gaussian_filter(image, CONFIDENCE_NOISE_PX) for image in (below, above))
    moved = warp(below, -forth, 0.5) - warp(above, -back, 0.5)
    before, after = (gaussian_filter(d * d, CONFIDENCE_REACH_PX) + 1e-9 for d in (below - above, moved))
    return np.asarray(expit((np.log(before / after) - 0.5) / 0.2), np.float32)


def _on_grid(flow: FloatArray, grid: tuple[int, int], blur_px: float) -> FloatArray:
    """Smooth a flow (Y, X, 2: y, x) and sample it at grid nodes whose corners are the section's corner pixels."""
    smooth = gaussian_filter(flow, (blur_px, blur_px, 0))
    y = np.linspace(0, flow.shape[0] - 1, grid[0], dtype=np.float32)
    x = np.linspace(0, flow.shape[1] - 1, grid[1], dtype=np.float32)
    map_x, map_y = np.meshgrid(x, y)
    sampled = cv2.remap(smooth, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled.transpose(2, 0, 1), np.float32)
