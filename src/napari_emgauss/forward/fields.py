"""Deformation fields Φ: where the Gaussians are, and how strong, at a section coordinate.

`MlpField` is the published one: (mean, t) → Δmean, Δlog-scale, Δopacity by a network on positional encodings.
`AnchoredField` is the cheap smooth one: every Gaussian belongs to one observed section, drifts along a coarse motion
grid and fades out at the neighbouring sections.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from napari_emgauss.gaussians import Gaussians

Phase = TypeVar("Phase", float, Tensor)
Rows = Mapping[str, Tensor]
"""Parameters of some Gaussians by name."""


@dataclass(frozen=True)
class Deformed:
    """Gaussians at one section coordinate: the active ones only."""

    mean_px: Float[Tensor, "n 2"]
    log_scale: Float[Tensor, "n 2"]
    angle_rad: Float[Tensor, " n"]
    opacity: Float[Tensor, " n"]
    intensity: Float[Tensor, " n"]


class DeformationField(nn.Module):
    """Base of the fields."""

    @property
    def anchored(self) -> AnchoredField | None:
        """The field itself, if its Gaussians are anchored at sections, and drift and fade linearly in between."""
        return None

    def deform(self, gaussians: Gaussians, z: float, sets: Sequence[Rows] | None = None) -> Deformed:
        """Return the Gaussians that contribute at section coordinate ``z``.

        Parameters
        ----------
        gaussians
            All of the block.
        z
            Section coordinate.
        sets
            The same Gaussians as `split` gave them, to be drawn in their place.
        """
        raise NotImplementedError

    def split(self, gaussians: Gaussians) -> list[Rows] | None:
        """Return sets of ``gaussians`` of which only some are drawn at any z; None if all of them always are."""
        return None


def positional_encoding(x: Float[Tensor, "n d"], n_frequencies: int) -> Float[Tensor, "n e"]:
    """Return [x, sin(2^k π x), cos(2^k π x)] for k < n_frequencies (Mildenhall et al. 2020, eq. 4)."""
    bands = (2.0 ** torch.arange(n_frequencies, device=x.device)) * math.pi
    angles = (x[..., None] * bands).flatten(-2)
    return torch.cat([x, torch.sin(angles), torch.cos(angles)], -1)


class MlpField(DeformationField):
    """The published Φ: one network on (mean, t), shared by all Gaussians.

    Parameters
    ----------
    z_range
        First and last section coordinate; t = 0 and 1.
    shape
        Section (Y, X) in pixels; means are normalised to [-1, 1] by it.
    depth, width
        Hidden layers and their size; the encoded input enters again at half the depth.
    n_frequencies_mean, n_frequencies_t
        Bands of the positional encodings.
    opacity_varies, rotation_varies
        Whether Φ moves the opacity (published) and the rotation (published as never).
    """

    def __init__(
        self,
        z_range: tuple[float, float],
        shape: tuple[int, int],
        *,
        depth: int = 8,
        width: int = 256,
        n_frequencies_mean: int = 10,
        n_frequencies_t: int = 10,
        opacity_varies: bool = True,
        rotation_varies: bool = False,
    ) -> None:
        super().__init__()
        self.z_range = z_range
        self.n_frequencies_mean, self.n_frequencies_t = n_frequencies_mean, n_frequencies_t
        self.opacity_varies, self.rotation_varies = opacity_varies, rotation_varies
        self.register_buffer("half_px", torch.tensor([(shape[0] - 1) / 2, (shape[1] - 1) / 2]), persistent=False)
        n_input = 2 * (1 + 2 * n_frequencies_mean) + 1 + 2 * n_frequencies_t
        self.skip_at = depth // 2
        sizes = [n_input] + [width] * depth
        self.layers = nn.ModuleList(
            nn.Linear(sizes[i] + (n_input if i == self.skip_at else 0), width) for i in range(depth)
        )
        self.head = nn.Linear(width, 6)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._moves, self._rested_as = False, (0, 0, 0, 0)

    def deform(self, gaussians: Gaussians, z: float, sets: Sequence[Rows] | None = None) -> Deformed:
        """Add the network's offsets; the means enter it detached, so that Φ does not steer the canonical set.

        While Φ is frozen at its start, where it moves nothing, the network is not evaluated.
        """
        g = gaussians
        if not self.head.weight.requires_grad and self._moves_nothing():
            return Deformed(g.mean_px, g.log_scale, g.angle_rad, torch.sigmoid(g.opacity_logit), g.intensity)
        delta = self._offsets(g, z)
        opacity = g.opacity_logit + (delta[:, 4] if self.opacity_varies else 0)
        return Deformed(
            g.mean_px + delta[:, :2] * torch.as_tensor(self.half_px),
            g.log_scale + delta[:, 2:4],
            g.angle_rad + (delta[:, 5] if self.rotation_varies else 0),
            torch.sigmoid(opacity),
            g.intensity,
        )

    def _moves_nothing(self) -> bool:
        """Whether the head is all zeros. To look is to wait for a GPU: once it moves, it is taken to go on doing so."""
        weight, bias = self.head.weight, self.head.bias
        state = id(weight), weight._version, id(bias), bias._version
        if not self._moves and self._rested_as != state:
            self._moves, self._rested_as = bool(weight.any() or bias.any()), state
        return not self._moves

    def _offsets(self, gaussians: Gaussians, z: float) -> Float[Tensor, "n 6"]:
        """Return the network's output for every Gaussian: Δmean in half-sections, Δlog-scale, Δopacity, Δangle."""
        z0, z1 = self.z_range
        half = torch.as_tensor(self.half_px)
        mean = gaussians.mean_px.detach() / half - 1
        t = mean.new_full((1, 1), (z - z0) / (z1 - z0))
        encoded = torch.cat(
            [
                positional_encoding(mean, self.n_frequencies_mean),
                positional_encoding(t, self.n_frequencies_t).expand(len(mean), -1),
            ],
            -1,
        )
        hidden = encoded
        for i, layer in enumerate(self.layers):
            hidden = torch.relu(layer(torch.cat([encoded, hidden], -1) if i == self.skip_at else hidden))
        offsets: Tensor = self.head(hidden)
        return offsets


class GapSide(NamedTuple, Generic[Phase]):
    """Contribution of one of the two sections around a gap, at one phase of the gap or at several."""

    owner: int
    """The section, counted among the anchors."""
    progress: Phase
    """Part of the motion across the gap that its Gaussians have made, 0 to 1."""
    fade: Phase
    """Weight of its Gaussians, 0 to 1."""
    motion: Float[Tensor, "2 gy gx"]
    """Displacements of its Gaussians across the whole gap, in px."""


class AnchoredField(DeformationField):
    """Gaussians anchored at observed sections: linear motion on a coarse grid, linear fading to the next section.

    At a section only its own Gaussians are drawn; between sections i and i + 1 those of i, moved by t · up[i], fade as
    1 - t while those of i + 1, moved by (1 - t) · down[i], fade in as t. This is motion-compensated interpolation whose
    sections are Gaussians, and it is continuous in z.

    Parameters
    ----------
    z_anchors
        Increasing coordinates of the n observed sections.
    offsets
        (n + 1,) integers: section i owns Gaussians offsets[i] .. offsets[i + 1].
    shape
        Section (Y, X) in pixels.
    up, down
        Displacements (n - 1, 2, gy, gx) in px over a whole gap, from section i to i + 1 and back; grid corners are the
        section's corner pixels.
    """

    def __init__(
        self, z_anchors: list[float], offsets: list[int], shape: tuple[int, int], up: Tensor, down: Tensor
    ) -> None:
        super().__init__()
        self.z_anchors = [float(z) for z in z_anchors]
        self.offsets = offsets
        self.shape = shape
        self.up = nn.Parameter(up.detach().clone().float())
        self.down = nn.Parameter(down.detach().clone().float())

    @property
    def anchored(self) -> AnchoredField:
        """The field itself."""
        return self

    def locate(self, z: float) -> tuple[int, float]:
        """Return the gap between two anchors that ``z`` lies in, and its phase there, 0 to 1."""
        gap = min(max(bisect.bisect_right(self.z_anchors, z) - 1, 0), len(self.z_anchors) - 2)
        return gap, (z - self.z_anchors[gap]) / (self.z_anchors[gap + 1] - self.z_anchors[gap])

    def sides(self, gap: int, phase: Phase) -> Iterator[GapSide[Phase]]:
        """Yield what the sections below and above ``gap`` contribute at ``phase``, a number or several in a tensor."""
        yield GapSide(gap, phase, 1 - phase, self.up[gap])
        yield GapSide(gap + 1, 1 - phase, phase, self.down[gap])

    def motions(self, owner: int) -> dict[int, Tensor]:
        """Return the motion of a section's Gaussians by gap: the one below the section and the one above it."""
        gaps = [gap for gap in (owner - 1, owner) if 0 <= gap < len(self.z_anchors) - 1]
        return {gap: side.motion for gap in gaps for side in self.sides(gap, 0.0) if side.owner == owner}

    def own(self, gaussians: Gaussians, owner: int, *, detached: bool = False) -> Rows:
        """Return the Gaussians of a section; they share the memory of ``gaussians``."""
        return gaussians.rows(*self.offsets[owner : owner + 2], detached=detached)

    def deform(self, gaussians: Gaussians, z: float, sets: Sequence[Rows] | None = None) -> Deformed:
        """Return the Gaussians of the one or two sections around ``z``; of ``sets`` (`split`), if given."""
        drawn = []
        for side in self.sides(*self.locate(z)):
            if side.fade > 0:
                own = self.own(gaussians, side.owner) if sets is None else sets[side.owner]
                mean_px = own["mean_px"]
                if side.progress > 0:
                    mean_px = mean_px + side.progress * self.sample(side.motion, mean_px.detach())
                fade = mean_px.new_full((len(mean_px),), side.fade)
                drawn.append((mean_px, own["log_scale"], own["angle_rad"], fade, own["intensity"]))
        return Deformed(*(torch.cat(values) for values in zip(*drawn, strict=True)))

    def split(self, gaussians: Gaussians) -> list[Rows]:
        """Return each section's own Gaussians, as parameters that share the memory of ``gaussians``.

        An optimiser of these spends nothing on the sections that were not drawn.
        """
        return [
            {name: nn.Parameter(values) for name, values in gaussians.rows(*owned, detached=True).items()}
            for owned in pairwise(self.offsets)
        ]

    def sample(self, grid: Tensor, mean_px: Tensor) -> Tensor:
        """Sample a motion grid (2, gy, gx) bilinearly at (N, 2) positions."""
        height, width = (max(side - 1, 1) for side in self.shape)
        if mean_px.device.type != "cpu":
            return _sampled(grid, mean_px[:, 0] / height, mean_px[:, 1] / width)
        corners = (mean_px.flip(-1) / mean_px.new_tensor([width, height]) * 2 - 1)[None, None]
        return grid_sample(grid[None], corners, align_corners=True, padding_mode="border")[0, :, 0].T


def _sampled(grid: Float[Tensor, "c gy gx"], y: Float[Tensor, " n"], x: Float[Tensor, " n"]) -> Float[Tensor, "n c"]:
    """Sample a grid bilinearly at positions of 0 to 1 along its sides, by products with matrices of weights.

    The gradient of torch's `grid_sample` adds up in another order in every run on a GPU.
    """
    rows, columns = _hats(y, grid.shape[1]), _hats(x, grid.shape[2])
    return torch.stack([((columns @ channel.T) * rows).sum(1) for channel in grid], 1)


def _hats(position: Float[Tensor, " n"], size: int) -> Float[Tensor, "n size"]:
    """Return the weights of a line's samples at positions of 0 to 1 along it; beyond its ends those of the ends."""
    samples = torch.arange(size, device=position.device, dtype=position.dtype)
    at = (position * (size - 1)).clamp(0, size - 1)
    return (1 - (at[:, None] - samples).abs()).clamp(min=0)
