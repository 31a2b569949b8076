"""Models of blocks at their start: Gaussians on jittered grids, motion from optical flow, or the published network."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.forward import AnchoredField, DeformationField, MlpField, SectionModel
from napari_emgauss.gaussians import Gaussians, anchored_grid, canonical_grid, spacing_for
from napari_emgauss.interpolation.plain import blurred, optical_flow, warp
from napari_emgauss.methods.emgauss.config import AnchoredModelConfig, EmgaussConfig, MlpModelConfig
from napari_emgauss.runtime.threads import for_each

CONFIDENCE_NOISE_PX = 1.0
"""Gaussian σ that suppresses noise before two sections are compared."""
CONFIDENCE_REACH_PX = 6.0
"""Gaussian σ of the neighbourhood over which their difference is averaged."""


def build_model(
    config: EmgaussConfig,
    z: list[float],
    sections: FloatArray,
    rng: np.random.Generator,
    *,
    flows: npt.NDArray[np.floating] | None = None,
    at_rest: bool = False,
) -> SectionModel:
    """Build the model of one block at its start, on the CPU.

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
    flows
        As for `motion_grids`.
    at_rest
        Whether nothing moves at first, whatever the settings say: optical flow takes longer than all the rest.
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
    up, down = motion_grids(settings, sections, flows, at_rest=at_rest)
    field = AnchoredField(z, offsets, shape, up, down)
    return SectionModel(Gaussians(values), field, shape, mode="sum", background=background)


def mlp_field(
    config: MlpModelConfig, z_range: tuple[float, float], shape: tuple[int, int], rng: np.random.Generator
) -> MlpField:
    """Build the published network, its weights drawn from ``rng`` without touching torch's global generator."""
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


def motion_grids(
    config: AnchoredModelConfig,
    sections: FloatArray,
    flows: npt.NDArray[np.floating] | None = None,
    *,
    at_rest: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return displacements (n - 1, 2, gy, gx) in px from each section to the next, and back.

    Parameters
    ----------
    config
        Settings of the motion.
    sections
        Normalised images (n, Y, X).
    flows
        Optical flow (gaps, 2: up, down; Y, X, 2: y, x) in px across wider gaps, of each of which the sections make
        equal parts; found between the sections themselves by default.
    at_rest
        Whether nothing is to move.
    """
    n, *shape = sections.shape
    grid = motion_grid_shape(config, (shape[0], shape[1]))
    up = np.zeros((n - 1, 2, *grid), np.float32)
    down = np.zeros_like(up)
    if config.motion == "flow" and not at_rest:
        grey = None if flows is not None else np.clip(sections * 255, 0, 255).astype(np.uint8)

        def find(gap: int) -> None:
            if grey is not None:
                forth, back = optical_flow(grey[gap], grey[gap + 1]), optical_flow(grey[gap + 1], grey[gap])
            else:
                assert flows is not None
                n_parts = (n - 1) // len(flows)
                forth, back = flows[gap // n_parts].astype(np.float32) / np.float32(n_parts)
            trust = motion_confidence(sections[gap], sections[gap + 1], forth, back)[..., None]
            up[gap] = _on_grid(trust * forth, grid, config.motion_blur_px)
            down[gap] = _on_grid(trust * back, grid, config.motion_blur_px)

        for_each(find, range(n - 1))
    return torch.from_numpy(up), torch.from_numpy(down)


def motion_confidence(below: FloatArray, above: FloatArray, forth: FloatArray, back: FloatArray) -> FloatArray:
    """How far optical flow is believed, 0..1 per pixel: whether the sections agree better once moved to their middle.

    Where structures end or cross a gap too large for flow, motion makes the middle worse than plain fading does. With
    e the local mean squared difference of the two sections, before and after the move, the confidence is
    sigmoid((ln(e_before / e_after) - 0.5) / 0.2).
    """
    below, above = (blurred(image, CONFIDENCE_NOISE_PX) for image in (below, above))
    moved = warp(below, -forth, 0.5) - warp(above, -back, 0.5)
    before, after = (blurred(d * d, CONFIDENCE_REACH_PX) + 1e-9 for d in (below - above, moved))
    return np.asarray(expit((np.log(before / after) - 0.5) / 0.2), np.float32)


def _on_grid(flow: FloatArray, grid: tuple[int, int], blur_px: float) -> FloatArray:
    """Smooth a flow (Y, X, 2: y, x) and sample it at grid nodes whose corners are the section's corner pixels."""
    smooth = blurred(flow, blur_px) if blur_px else flow
    y = np.linspace(0, flow.shape[0] - 1, grid[0], dtype=np.float32)
    x = np.linspace(0, flow.shape[1] - 1, grid[1], dtype=np.float32)
    map_x, map_y = np.meshgrid(x, y)
    sampled = cv2.remap(smooth, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled.transpose(2, 0, 1), np.float32)
