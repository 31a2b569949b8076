"""The prior applied to a stack."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_emgauss._types import ArrayLike3D, FloatArray
from napari_emgauss.errors import SectionRangeError, VolumeError
from napari_emgauss.interpolation.prior.network import PriorNetwork
from napari_emgauss.interpolation.prior.weights import load_prior
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.runtime.torch_threads import one_torch_thread, use_one_torch_thread

Part = TypeVar("Part")

LARGEST_FACTOR = 12.0
"""Wider gaps than the network has seen are taken for this one."""
TILE_PX, MARGIN_PX = 384, 32
"""Images are analysed in tiles of about this side, with this much around them."""
_SAMPLE = 2_000_000
_QUANTILES = (0.001, 0.999)
_MIRRORED = ((False, False, False), (True, True, True), (False, True, False), (True, False, True))
"""Axes (z, y, x) that are turned round in each view, the most unlike first."""


class Contrast(NamedTuple):
    """Mean and standard deviation of a stack's intensities, which the network knows as 0 and 1.

    Where the deviation is 0 there is nothing to know tissue by, and sections are blended.
    """

    mean: float
    std: float

    @classmethod
    def of(cls, sections: FloatArray) -> Contrast:
        """Return those of ``sections`` (n, Y, X), extreme values clipped; of a sample where there are many."""
        step = max(1, math.isqrt(math.ceil(sections.size / _SAMPLE)))
        sample = sections[:, ::step, ::step]
        clipped = np.clip(sample, *np.quantile(sample, _QUANTILES))
        return cls(float(clipped.mean()), float(clipped.std()))


@dataclass(frozen=True)
class _View:
    """A gap as the network saw it, perhaps turned round."""

    mirrored: tuple[bool, bool, bool]
    sections: Tensor
    gaps_px: Tensor
    coefficients: Tensor
    motion: Tensor | None


class PriorInterpolator:
    """Sections at any real z by the prior.

    Analysing a gap costs nearly everything and is done once while one walks along z; up to 60 bytes per pixel and view
    are kept of the gap in work.

    Parameters
    ----------
    sections
        Stack (n, Y, X) in any intensity unit, at least two sections.
    factor
        Distance between sections that are 1 apart in ``z``, in px: dz / dx.
    z
        Section coordinates (n,) of the sections, rising; 0, 1, 2, ... by default.
    contrast
        Of the whole stack, where ``sections`` are a part of it.
    views
        Averaged predictions from the sections as they are and turned round: 1, 2 or 4.
    network
        Instead of the one that comes with the package.

    Raises
    ------
    VolumeError
        ``sections`` has not three axes or fewer than two sections.
    """

    def __init__(
        self,
        sections: ArrayLike3D,
        factor: float,
        *,
        z: Sequence[float] | None = None,
        contrast: Contrast | None = None,
        views: int = 1,
        network: PriorNetwork | None = None,
    ) -> None:
        if len(sections.shape) != 3 or sections.shape[0] < 2:
            raise VolumeError(
                f"expected at least two sections (n, Y, X), got shape {tuple(sections.shape)}. Pass a stack."
            )
        self.sections = sections
        self.network = load_prior() if network is None else network
        self.contrast = Contrast.of(np.asarray(sections, np.float32)) if contrast is None else contrast
        self._distances_px = factor * np.diff(np.arange(sections.shape[0]) if z is None else np.asarray(z, np.float64))
        self._views = _MIRRORED[:views]
        self._analysed = lru_cache(maxsize=1)(self._analyse)

    def section(self, z: float) -> FloatArray:
        """Return the image (Y, X) at ``z``, counted in ``sections``; the section itself at a whole one.

        Raises
        ------
        SectionRangeError
            ``z`` is outside 0..n-1.
        """
        last = self.sections.shape[0] - 1
        if not 0 <= z <= last:
            raise SectionRangeError(f"z must be within 0..{last}, got {z}. There is nothing to predict it from.")
        lower, phase = int(z), float(z) - int(z)
        if phase == 0:
            return np.array(self.sections[lower], np.float32)
        if self.contrast.std == 0:
            below, above = (np.asarray(self.sections[i], np.float32) for i in (lower, lower + 1))
            return below + np.float32(phase) * (above - below)
        height, width = self.sections.shape[1:]
        views = self._analysed(lower)
        images = np.empty((len(views), height, width), np.float32)

        @torch.inference_mode()
        def work(index: int) -> None:
            images[index] = self._composed(views[index], phase)[:height, :width]

        _in_threads(work, list(range(len(views))), views[0].sections.device)
        return np.asarray(self.contrast.std * images.mean(0) + self.contrast.mean, np.float32)

    def _composed(self, view: _View, phase: float) -> FloatArray:
        across_z, *across = view.mirrored
        phases = torch.tensor([[1 - phase if across_z else phase]], device=view.sections.device)
        image = self.network.compose(view.sections, view.coefficients, view.motion, view.gaps_px, phases)[0, 0]
        return np.asarray(image.flip([axis for axis in (0, 1) if across[axis]]).cpu().numpy(), np.float32)

    def _analyse(self, lower: int) -> list[_View]:
        config, device = self.network.config, next(self.network.parameters()).device
        around = np.arange(lower - config.reach + 1, lower + config.reach + 1)
        last = self.sections.shape[0] - 1
        sections = np.stack([np.asarray(self.sections[i], np.float32) for i in around.clip(0, last)])
        sections = (sections - np.float32(self.contrast.mean)) / np.float32(self.contrast.std)
        inside = (around[:-1] >= 0) & (around[1:] <= last)
        gaps = np.where(inside, self._distances_px[around[:-1].clip(0, last - 1)], 0)
        gaps = gaps * min(1.0, LARGEST_FACTOR / gaps[config.reach - 1])
        padded = _padded(torch.from_numpy(sections)[None], config.multiple_px).to(device)
        views = []
        for mirrored in self._views:
            seen = padded.flip([axis + 1 for axis in range(3) if mirrored[axis]])
            gaps_px = torch.from_numpy(np.ascontiguousarray(gaps[::-1] if mirrored[0] else gaps, np.float32))[None]
            views.append((mirrored, seen, gaps_px.to(device)))
        return self._analysed_in_tiles(views)

    def _analysed_in_tiles(self, views: list[tuple[tuple[bool, bool, bool], Tensor, Tensor]]) -> list[_View]:
        """Analyse tile by tile, so that activations take little memory and all cores have something to do."""
        config, (height, width) = self.network.config, views[0][1].shape[2:]
        device, kind = views[0][1].device, _precision(views[0][1].device)
        found = [torch.empty(config.coefficients, height, width, dtype=kind, device=device) for _ in views]
        motions = [torch.empty(4 if config.motion else 0, height, width, dtype=kind, device=device) for _ in views]
        tiles = list(product(range(len(views)), _spans(height, config.multiple_px), _spans(width, config.multiple_px)))

        @torch.inference_mode()
        def work(tile: tuple[int, tuple[int, int], tuple[int, int]]) -> None:
            index, (y0, y1), (x0, x1) = tile
            top, left = max(0, y0 - MARGIN_PX), max(0, x0 - MARGIN_PX)
            part = views[index][1][..., top : y1 + MARGIN_PX, left : x1 + MARGIN_PX]
            with torch.autocast(device.type, torch.bfloat16, enabled=kind is torch.bfloat16):
                coefficients, motion = self.network.analyse(
                    part.contiguous(memory_format=torch.channels_last), views[index][2]
                )
            inside = (slice(None), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
            found[index][:, y0:y1, x0:x1] = coefficients[0][inside]
            if motion is not None:
                motions[index][:, y0:y1, x0:x1] = motion[0][inside]

        _in_threads(work, tiles, device)
        return [
            _View(mirrored, seen, gaps_px, found[i][None], motions[i][None] if config.motion else None)
            for i, (mirrored, seen, gaps_px) in enumerate(views)
        ]


def _in_threads(work: Callable[[Part], None], parts: list[Part], device: torch.device) -> None:
    """Share the parts out among the cores, or give them to the device one after the other."""
    if device.type != "cpu":
        for part in parts:
            work(part)
        return

    def alone(part: Part) -> None:
        use_one_torch_thread()
        work(part)

    with one_torch_thread():
        for_each(alone, parts)


@lru_cache(maxsize=1)
def _has_fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))


def _precision(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if device.type == "cuda" or _has_fast_bfloat16() else torch.float32


def _spans(length: int, multiple: int) -> list[tuple[int, int]]:
    """Cut ``range(length)`` into runs of about `TILE_PX`, each a multiple of ``multiple`` long."""
    n = math.ceil(length / TILE_PX)
    side = multiple * math.ceil(length / n / multiple)
    return [(start, min(start + side, length)) for start in range(0, length, side)]


def _padded(sections: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples of ``multiple``."""
    height, width = sections.shape[2:]
    return functional.pad(sections, (0, -width % multiple, 0, -height % multiple), mode="replicate")
