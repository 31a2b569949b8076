"""Training examples of the prior: parts of an isotropic volume of which most planes are hidden.

Every example has an axis, a pixel size, a gap and an appearance of its own, so that the prior meets anisotropies,
tissues and microscopes that are not in the volume. Along the axis nothing is resampled: what is hidden is a plane as it
was cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_emgauss.errors import VolumeError

PIXEL_SIZES = (0.5, 0.625, 0.75, 0.875, 1.0, 1.0, 1.0, 1.25, 1.5)
"""Sizes of a pixel in voxels; 1 is drawn most often."""
FACTORS = (2.0, 12.0)
MOST_VOXELS = 14
"""Widest gap."""
GROUPS = 4
"""Parts of a batch that share an axis, a pixel size, a thickness of sections and a blur."""
ORDERS = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
"""Axes (along the gap, y, x) of the volume."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """A batch of `PriorNetwork` inputs and what they should give."""

    sections: Tensor
    """Observed sections (batch, 2·reach, Y, X)."""
    gaps_px: Tensor
    """Distances (batch, 2·reach - 1) between them."""
    phases: Tensor
    """Phases (batch, phases) of the hidden planes."""
    hidden: Tensor
    """The hidden planes (batch, phases, Y, X)."""


class IsotropicVolume:
    """An isotropic volume (Z, Y, X) of 8-bit intensities on a device, seen along each axis and at each pixel size."""

    def __init__(self, data: NDArray[np.uint8], device: torch.device) -> None:
        self._data = torch.from_numpy(np.ascontiguousarray(data)).to(device)
        self.device, self.shape = device, data.shape
        sample = self._data[:: max(1, len(data) // 32)].float()
        self.mean, self.std = float(sample.mean()), float(sample.std())
        self.seen = lru_cache(maxsize=None)(self._seen)

    def _seen(self, axis: int, pixel_size: float) -> Tensor:
        planes = self._data.permute(ORDERS[axis])
        if pixel_size == 1:
            return planes.contiguous()
        size = [round(side / pixel_size) for side in planes.shape[1:]]
        resized = [
            functional.interpolate(part[None].float(), size=size, mode="bicubic", antialias=True)[0]
            for part in planes.split(16)
        ]
        return torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in resized])


class ExampleSource:
    """Random examples; the same seed gives the same ones.

    Parameters
    ----------
    volume
        Where they come from.
    reach
        Observed sections on each side of a gap.
    batch, side_px, n_phases
        Examples of a batch, their side, and hidden planes of each.
    seed
        Of all that is drawn.

    Raises
    ------
    VolumeError
        The volume has a side that is too short for the widest gaps or the largest pixels.
    """

    def __init__(
        self, volume: IsotropicVolume, *, reach: int, batch: int, side_px: int, n_phases: int, seed: int
    ) -> None:
        # Widest: every outer gap has lost a section, and sections are as thick as the gap.
        least = max(MOST_VOXELS * (4 * reach - 2), math.ceil((side_px + 3) * max(PIXEL_SIZES)))
        if min(volume.shape) < least:
            raise VolumeError(
                f"every side must have at least {least} voxels, got {volume.shape}. Take a larger volume."
            )
        self.volume, self.reach, self.batch, self.side_px, self.n_phases = volume, reach, batch, side_px, n_phases
        self.rng = np.random.default_rng(seed)
        self.noise = torch.Generator(device=volume.device).manual_seed(seed)

    def draw(self) -> Examples:
        """Return the next batch."""
        groups = [self._group(self.batch // GROUPS) for _ in range(GROUPS)]
        names = ("sections", "gaps_px", "phases", "hidden")
        return Examples(**{name: torch.cat([getattr(group, name) for group in groups]) for name in names})

    def _group(self, n: int) -> Examples:
        rng, reach = self.rng, self.reach
        pixel_size = float(rng.choice(PIXEL_SIZES))
        planes = self.volume.seen(int(rng.integers(3)), pixel_size)
        factor = np.exp(rng.uniform(*np.log(FACTORS), n))
        gap = np.clip(np.rint(factor * pixel_size), 2, MOST_VOXELS).astype(np.int64)
        thickness = int(rng.integers(2, gap.min() + 1)) if rng.random() < 0.15 else 1
        steps = np.repeat(gap[:, None], 2 * reach - 1, 1)
        dropped = (rng.random(steps.shape) < 0.05) & (np.arange(2 * reach - 1) != reach - 1)
        steps = np.where(dropped, 2 * steps, steps)
        offsets = np.concatenate([np.zeros((n, 1), np.int64), np.cumsum(steps, 1)], 1)
        first = np.floor(rng.random(n) * (len(planes) - offsets[:, -1] - thickness)).astype(np.int64)
        observed = first[:, None] + offsets
        inside = 1 + np.floor(rng.random((n, self.n_phases)) * (gap[:, None] - 1)).astype(np.int64)
        hidden = observed[:, reach - 1, None] + inside
        phases = inside / gap[:, None]
        mirrored = rng.random(n) < 0.5
        observed = np.where(mirrored[:, None], observed[:, ::-1], observed)
        steps = np.where(mirrored[:, None], steps[:, ::-1], steps)
        phases = np.where(mirrored[:, None], 1 - phases, phases)
        images = self._cut(planes, np.concatenate([observed, hidden], 1), thickness)
        sections, targets = self._changed(images, 2 * reach)
        sections, gaps = self._without_outer(sections, steps / pixel_size)
        return Examples(
            sections=sections,
            gaps_px=self._tensor(gaps),
            phases=self._tensor(phases),
            hidden=targets,
        )

    def _cut(self, planes: Tensor, index: NDArray[np.int64], thickness: int) -> Tensor:
        """Return images (n, k, side, side) of the planes of ``index`` (n, k), in standard deviations."""
        rng, side, (n, k) = self.rng, self.side_px, index.shape
        height, width = planes.shape[1:]
        y = rng.integers(1, height - side, n)[:, None, None] + np.arange(side)
        x = rng.integers(1, width - side, n)[:, None, None] + np.arange(side)
        y = np.where((rng.random(n) < 0.5)[:, None, None], y[..., ::-1], y)
        x = np.where((rng.random(n) < 0.5)[:, None, None], x[..., ::-1], x)
        # Some stacks jitter: observed sections are off by a pixel, the hidden planes are not.
        jitter = rng.integers(-1, 2, (2, n, k, 1)) * (rng.random(n) < 0.1)[:, None, None]
        jitter[:, :, 2 * self.reach :] = 0
        rows, columns = self._index((y + jitter[0])[..., None]), self._index((x + jitter[1])[:, :, None, :])
        at = self._index(index)[:, :, None, None]
        images = sum(planes[at + layer, rows, columns].float() for layer in range(thickness)) / thickness
        if rng.random() < 0.5:
            images = images.transpose(2, 3)
        return (images - self.volume.mean) / self.volume.std

    def _changed(self, images: Tensor, n_sections: int) -> tuple[Tensor, Tensor]:
        """Change the appearance of all images alike, then add what observed sections alone have."""
        rng, n = self.rng, len(images)
        gamma = np.exp(np.where(rng.random(n) < 0.4, rng.uniform(-0.5, 0.5, n), 0))
        unit = ((images + 4) / 8).clamp(0, 1) ** self._each(gamma)
        images = 8 * unit - 4
        images = (images - images.mean((1, 2, 3), keepdim=True)) / (0.3 * images.std((1, 2, 3), keepdim=True) + 0.7)
        if rng.random() < 0.3:
            images = _blurred(images, rng.uniform(0.3, 1.2))
        gain = np.exp(rng.uniform(-0.35, 0.35, n)) * np.where(rng.random(n) < 0.15, -1, 1)
        images = images * self._each(gain) + self._each(rng.normal(0, 0.35, n))
        sections, hidden = images[:, :n_sections], images[:, n_sections:]
        uneven = (rng.random(n) < 0.3)[:, None]
        gains, offsets = 1 + 0.04 * rng.normal(size=(2, n, n_sections)) * uneven
        sections = sections * self._tensor(gains)[..., None, None] + self._tensor(offsets - 1)[..., None, None]
        noise = torch.randn(sections.shape, generator=self.noise, device=sections.device)
        if rng.random() < 0.3:
            width = rng.uniform(0.4, 0.9)
            noise = _blurred(noise, width)
            noise = noise / noise.std()
        level = np.exp(rng.uniform(math.log(0.03), math.log(0.7), n)) * (rng.random(n) < 0.6)
        return sections + noise * self._each(level), hidden

    def _without_outer(self, sections: Tensor, gaps: NDArray[np.float64]) -> tuple[Tensor, NDArray[np.float64]]:
        """Let sections end, as a stack does: those that do not exist repeat their neighbour, at distance 0."""
        rng, reach = self.rng, self.reach
        n, gaps = len(sections), gaps.copy()
        order = np.tile(np.arange(2 * reach), (n, 1))
        for row in range(n):
            below = int(rng.integers(1, reach)) if reach > 1 and rng.random() < 0.12 else reach
            above = int(rng.integers(1, reach)) if reach > 1 and rng.random() < 0.12 else reach
            order[row] = order[row].clip(reach - below, reach - 1 + above)
            gaps[row, : reach - below] = 0
            gaps[row, reach - 1 + above :] = 0
        return torch.gather(sections, 1, self._index(order)[..., None, None].expand_as(sections)), gaps

    def _tensor(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.volume.device, non_blocking=True)

    def _each(self, values: NDArray[np.float64]) -> Tensor:
        return self._tensor(values)[:, None, None, None]

    def _index(self, values: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.volume.device, non_blocking=True)


def _blurred(images: Tensor, sigma_px: float) -> Tensor:
    reach = math.ceil(3 * sigma_px)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=images.device) / sigma_px) ** 2)
    taps = (taps / taps.sum()).to(images.dtype)
    flat = functional.pad(images.flatten(0, 1)[:, None], (reach,) * 4, mode="reflect")
    out = functional.conv2d(functional.conv2d(flat, taps[None, None, :, None]), taps[None, None, None, :])
    return out.view_as(images)
