"""The prior applied to a stack."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_emgauss._types import AnyArray, ArrayLike3D, FloatArray, Region
from napari_emgauss.errors import SectionRangeError, VolumeError
from napari_emgauss.interpolation.prior.network import PriorNetwork
from napari_emgauss.interpolation.prior.weights import load_prior
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.runtime.torch_threads import one_torch_thread, use_one_torch_thread

Part = TypeVar("Part")

LARGEST_FACTOR = 12.0
"""Wider gaps than the network has seen are taken for this one."""
TILE_PX, MARGIN_PX = 384, 32
"""Images are predicted in tiles of this side, from this much around them."""
GPU_AT_ONCE_PX = 2**21
"""Pixels of a view that a GPU analyses at once: tiles of several gaps, since it waits for small ones; half a GiB."""
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


Tile = tuple[int, int]
"""Row and column of a tile, which begins at `TILE_PX` times that: at the same pixels whatever is asked for."""


@dataclass(frozen=True)
class _View:
    """A tile of one gap or several as the network saw it, perhaps turned round."""

    mirrored: tuple[bool, bool, bool]
    sections: Tensor
    """Those around each gap (gaps, 2·reach, y, x), with what surrounds the tile, which begins at the ``corner``."""
    corner: tuple[int, int]
    gaps_px: Tensor
    coefficients: Tensor
    motion: Tensor | None


class PriorInterpolator:
    """Sections at any real z by the prior.

    Images are predicted in tiles, each from the pixels around it only, so that a region is exactly what the whole image
    shows there, and costs the tiles that it touches. Analysing a tile costs nearly everything and is done once while
    one walks along z; up to 60 bytes per pixel and view are kept of the tiles of the gap in work.

    Parameters
    ----------
    sections
        Stack (n, Y, X) in any intensity unit, at least two sections; indexed by a section and two slices.
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
        self._gap: tuple[int, dict[Tile, list[_View]]] = (-1, {})
        self._part = lru_cache(maxsize=2 * self.network.config.reach)(partial(_read, sections))

    def section(self, z: float, region: Region | None = None) -> FloatArray:
        """Return the image (Y, X) at ``z``, counted in ``sections``; the section itself at a whole one.

        Parameters
        ----------
        z
            Section coordinate.
        region
            Pixels (y0, y1, x0, x1), half-open; all by default.

        Raises
        ------
        SectionRangeError
            ``z`` is outside 0..n-1.
        """
        last = self.sections.shape[0] - 1
        if not 0 <= z <= last:
            raise SectionRangeError(f"z must be within 0..{last}, got {z}. There is nothing to predict it from.")
        lower, phase = int(z), float(z) - int(z)
        y0, y1, x0, x1 = wanted = region or (0, self.sections.shape[1], 0, self.sections.shape[2])
        if phase == 0:
            return np.array(self._part(lower, wanted), np.float32)
        if self.contrast.std == 0:
            below, above = (np.asarray(self._part(i, wanted), np.float32) for i in (lower, lower + 1))
            return below + np.float32(phase) * (above - below)
        tiles = list(product(_touched(y0, y1), _touched(x0, x1)))
        views = self._analysed(lower, tiles)
        composed: dict[tuple[Tile, int], FloatArray] = {}

        @torch.inference_mode()
        def work(part: tuple[Tile, int]) -> None:
            image = self._composed(views[part[0]][part[1]], [phase])[0, 0]
            composed[part] = np.asarray(image.cpu().numpy(), np.float32)

        _in_threads(work, list(product(tiles, range(len(self._views)))), self._device)
        whole = np.empty((y1 - y0, x1 - x0), np.float32)
        for tile in tiles:
            images = [composed[tile, n] for n in range(len(self._views))]
            image = images[0] if len(images) == 1 else np.mean(images, axis=0)
            (top, left), (height, width) = self._start(tile), image.shape
            rows, columns = slice(max(y0, top), min(y1, top + height)), slice(max(x0, left), min(x1, left + width))
            whole[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0] = image[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
        whole *= np.float32(self.contrast.std)
        whole += np.float32(self.contrast.mean)
        return whole

    @torch.inference_mode()
    def between(self, gaps: Sequence[int], phases: Sequence[float]) -> FloatArray:
        """Return the images (gaps, phases, Y, X) at the same ``phases``, within 0..1, of several ``gaps``.

        They are what `section` returns, but for rounding: many gaps are analysed at once, as a GPU wants it.
        """
        shape = (len(gaps), len(phases), *self.sections.shape[1:])
        images = np.empty(shape, np.float32)
        if self.contrast.std == 0:
            for out, gap in zip(images, gaps, strict=True):
                out[:] = [self.section(gap + t) for t in phases]
            return images
        for tile in product(_touched(0, shape[2]), _touched(0, shape[3])):
            (top, left), (height, width) = self._start(tile), self._shape(tile)
            at_once = max(1, GPU_AT_ONCE_PX // ((height + 2 * MARGIN_PX) * (width + 2 * MARGIN_PX)))
            for first in range(0, len(gaps), at_once):
                some = slice(first, first + at_once)
                around = [self._sections_around(gap, [tile]) for gap in gaps[some]]
                sections = np.stack([sections(tile) for sections, _ in around])
                gaps_px = np.stack([distances for _, distances in around])
                views = (self._analyse(tile, sections, gaps_px, mirrored) for mirrored in self._views)
                mean = torch.stack([self._composed(view, phases) for view in views]).mean(0)
                images[some, :, top : top + height, left : left + width] = mean.cpu().numpy()
        images *= np.float32(self.contrast.std)
        images += np.float32(self.contrast.mean)
        return images

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _start(self, tile: Tile) -> tuple[int, int]:
        return tile[0] * TILE_PX, tile[1] * TILE_PX

    def _shape(self, tile: Tile) -> tuple[int, int]:
        height, width = (
            min(TILE_PX, n - start) for n, start in zip(self.sections.shape[1:], self._start(tile), strict=True)
        )
        return height, width

    def _around(self, tile: Tile) -> Region:
        """Return the pixels that a tile is predicted from."""
        (top, left), (height, width) = self._start(tile), self._shape(tile)
        return (
            max(0, top - MARGIN_PX),
            min(self.sections.shape[1], top + height + MARGIN_PX),
            max(0, left - MARGIN_PX),
            min(self.sections.shape[2], left + width + MARGIN_PX),
        )

    def _composed(self, view: _View, phases: Sequence[float]) -> Tensor:
        """Return the normalised images (gaps, phases, y, x) of a tile, on the network's device."""
        across_z, *across = view.mirrored
        seen = torch.tensor([1 - t if across_z else t for t in phases], device=view.sections.device)
        found = view.coefficients, view.motion, view.gaps_px
        images = self.network.compose(view.sections, *found, seen.expand(len(view.sections), -1), view.corner)
        return images.flip([axis + 2 for axis in (0, 1) if across[axis]])

    def _analysed(self, lower: int, tiles: Sequence[Tile]) -> dict[Tile, list[_View]]:
        """Return the views of ``tiles``, and perhaps others of the same gap; all cores have something to do."""
        gap, known = self._gap
        found = dict(known) if gap == lower else {}
        missing = [tile for tile in tiles if tile not in found]
        if missing:
            sections, gaps = self._sections_around(lower, missing)
            parts = [(tile, n) for tile in missing for n in range(len(self._views))]
            views: dict[tuple[Tile, int], _View] = {}

            @torch.inference_mode()
            def work(part: tuple[Tile, int]) -> None:
                views[part] = self._analyse(part[0], sections(part[0])[None], gaps[None], self._views[part[1]])

            _in_threads(work, parts, self._device)
            found |= {tile: [views[tile, n] for n in range(len(self._views))] for tile in missing}
            self._gap = (lower, found)
        return found

    def _sections_around(self, lower: int, tiles: Sequence[Tile]) -> tuple[Callable[[Tile], FloatArray], FloatArray]:
        """Return what gives the normalised sections around each of ``tiles``, read at once, and the gaps between."""
        reach, last = self.network.config.reach, self.sections.shape[0] - 1
        around = np.arange(lower - reach + 1, lower + reach + 1)
        regions = np.array([self._around(tile) for tile in tiles])
        y0, x0, y1, x1 = (int(v) for v in (*regions[:, ::2].min(0), *regions[:, 1::2].max(0)))
        read = [self._part(int(i), (y0, y1, x0, x1)) for i in around.clip(0, last)]
        inside = (around[:-1] >= 0) & (around[1:] <= last)
        gaps = np.where(inside, self._distances_px[around[:-1].clip(0, last - 1)], 0)
        gaps = gaps * min(1.0, LARGEST_FACTOR / gaps[reach - 1])

        def of(tile: Tile) -> FloatArray:
            top, bottom, left, right = self._around(tile)
            sections = np.stack([part[top - y0 : bottom - y0, left - x0 : right - x0] for part in read])
            return (sections.astype(np.float32) - np.float32(self.contrast.mean)) / np.float32(self.contrast.std)

        return of, np.asarray(gaps, np.float32)

    def _analyse(self, tile: Tile, sections: FloatArray, gaps: FloatArray, mirrored: tuple[bool, bool, bool]) -> _View:
        """Analyse a tile from the normalised sections (gaps, 2·reach, y, x) around it and the distances between them.

        The distances are (gaps, 2·reach - 1).
        """
        device = self._device
        kind = _precision(device)
        padded = _padded(torch.from_numpy(sections), self.network.config.multiple_px).to(device)
        seen = padded.flip([axis + 1 for axis in range(3) if mirrored[axis]])
        gaps_px = torch.from_numpy(np.ascontiguousarray(gaps[:, ::-1] if mirrored[0] else gaps)).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=kind is torch.bfloat16):
            coefficients, motion = self.network.analyse(seen.contiguous(memory_format=torch.channels_last), gaps_px)
        (top, _, left, _), corner = self._around(tile), []
        for n, start, first, size, turned in zip(
            padded.shape[2:], self._start(tile), (top, left), self._shape(tile), mirrored[1:], strict=True
        ):
            corner.append(n - (start - first) - size if turned else start - first)
        rows, columns = (slice(c, c + n) for c, n in zip(corner, self._shape(tile), strict=True))
        inside = (..., rows, columns)
        return _View(
            mirrored,
            seen,
            (corner[0], corner[1]),
            gaps_px,
            coefficients[inside].to(kind).clone(),
            None if motion is None else motion[inside].to(kind).clone(),
        )


def _read(sections: ArrayLike3D, index: int, region: Region) -> AnyArray:
    y0, y1, x0, x1 = region
    return np.asarray(sections[index, y0:y1, x0:x1])


def _touched(first: int, last: int) -> range:
    """Return the tiles of an axis that pixels ``first`` to ``last``, half-open, lie in."""
    return range(first // TILE_PX, math.ceil(last / TILE_PX))


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


def _padded(sections: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples of ``multiple``."""
    height, width = sections.shape[2:]
    return functional.pad(sections, (0, -width % multiple, 0, -height % multiple), mode="replicate")
