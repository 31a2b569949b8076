"""Stacks of thick, moving slices, simulated from a volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.spatial.transform import Rotation

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.slices import SliceProfile, SliceStack, WorldVolume
from napari_emgauss.slices.affine import WORLD_AXES, Orientation
from napari_emgauss.slices.motion import affines, repivoted

_OVERSAMPLING = 2
_THROUGH_NODES = 13
_SMOOTH_SLICES = 3.0
"""Motion stays alike over about so many slices in the order of acquisition."""
_MARGIN_MM = 4.0
_COIL_RADII = 1.5
"""Distance of a coil from the middle of what is seen, by its radius."""


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """How stacks are acquired in a simulation."""

    orientations: Sequence[Orientation] = ("axial", "coronal", "sagittal")
    """One stack for each."""
    thickness_mm: float = 4.0
    """Of a slice."""
    apart_mm: float | None = None
    """Distance between neighbouring slices; their thickness by default."""
    pixel_mm: float = 1.0
    """Spacing in the plane."""
    profile: SliceProfile = field(default_factory=SliceProfile)
    """What a pixel is made of."""
    tilt_deg: float = 0.0
    """Each stack as a whole is turned by a random rotation of this angle: oblique slices."""
    motion_deg: float = 3.0
    """Root mean square of the slices' angles of rotation."""
    motion_mm: float = 1.5
    """Root mean square of the lengths of their translations."""
    noise: float = 0.02
    """Standard deviation of the noise by the largest intensity in the mask."""
    gain: float = 0.0
    """Standard deviation of the logarithm of a slice's brightness."""
    bias: float = 0.0
    """Standard deviation of the logarithm of a smooth field that each stack is multiplied by: a coil on one side."""
    corrupted: float = 0.05
    """Share of the slices that are damaged: signal lost, or streaks."""

    def __post_init__(self) -> None:
        for name in ("thickness_mm", "pixel_mm"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)!r}.")
        for name in ("motion_deg", "motion_mm", "noise", "gain", "bias", "tilt_deg"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)!r}.")
        if not 0 <= self.corrupted <= 0.5:
            raise ConfigError(f"corrupted must be a share within 0..0.5, got {self.corrupted!r}.")
        if unknown := set(self.orientations) - set(WORLD_AXES):
            raise ConfigError(f"orientations must be of {', '.join(WORLD_AXES)}, got {sorted(unknown)}.")


@dataclass(frozen=True, eq=False)
class SimulatedStacks:
    """Stacks, and what is true of them."""

    stacks: tuple[SliceStack, ...]
    motion: tuple[AnyArray, ...]
    """Of each stack's slices (n, 6), about the stack's own pivots; see `napari_emgauss.slices.motion`."""
    corrupted: tuple[AnyArray, ...]
    """Which of its slices are damaged (n,)."""
    truth: WorldVolume
    mask: AnyArray
    """What belongs to the object in ``truth`` (z, y, x)."""


def simulate_stacks(
    truth: WorldVolume, mask: AnyArray, acquisition: Acquisition | None = None, *, seed: int = 0
) -> SimulatedStacks:
    """Return stacks as a scanner would have acquired them of a moving object.

    Parameters
    ----------
    truth
        An isotropic volume, as fine as the stacks' pixels or finer.
    mask
        What belongs to the object (z, y, x); each stack gets a mask as it would be drawn on its moved slices.
    acquisition
        How they are acquired.
    seed
        Of the motion, the noise and the damage.
    """
    acquisition = acquisition or Acquisition()
    rng = np.random.default_rng(seed)
    still = [_empty_stack(truth, mask, name, acquisition, rng) for name in acquisition.orientations]
    motions = _motions([stack.n_slices for stack in still], acquisition, rng)
    peak = float(truth.values[mask].max())
    belongs = WorldVolume(mask.astype(np.float32), truth.affine)
    acquired = [_acquire(truth, belongs, *pair, acquisition) for pair in zip(still, motions, strict=True)]
    spoiled = _choose_corrupted([stack.used for stack, _ in acquired], acquisition.corrupted, rng)
    stacks, corrupted = [], []
    sides = np.random.default_rng((seed, 1))  # the other numbers do not depend on whether there are fields
    for (stack, _), chosen in zip(acquired, spoiled, strict=True):
        images = stack.images * np.exp(acquisition.gain * rng.standard_normal(stack.n_slices))[:, None, None]
        if acquisition.bias:
            images = images * np.exp(acquisition.bias * _coil(stack, sides))
        for s in chosen:
            images[s] = _corrupt(images[s], stack.inside[s], peak, rng)
        images += acquisition.noise * peak * rng.standard_normal(images.shape)
        stacks.append(SliceStack(images.astype(np.float32), stack.affine, stack.thickness_mm, stack.mask, stack.name))
        corrupted.append(np.isin(np.arange(stack.n_slices), chosen))
    return SimulatedStacks(tuple(stacks), tuple(m for _, m in acquired), tuple(corrupted), truth, mask)


def _empty_stack(
    truth: WorldVolume, mask: AnyArray, orientation: Orientation, acquisition: Acquisition, rng: np.random.Generator
) -> SliceStack:
    """Return a stack without content that covers the object as it lies still."""
    turn = Rotation.from_rotvec(np.deg2rad(acquisition.tilt_deg) * _unit(rng)).as_matrix()
    axes = turn @ np.eye(3)[:, WORLD_AXES[orientation]]
    apart = acquisition.apart_mm or acquisition.thickness_mm
    spacing = np.array([apart, acquisition.pixel_mm, acquisition.pixel_mm])
    along = truth.grid.positions()[mask] @ axes
    low, high = along.min(0) - _MARGIN_MM, along.max(0) + _MARGIN_MM
    shape = np.ceil((high - low) / spacing).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = axes @ ((low + high) / 2 - spacing * (shape - 1) / 2)
    return SliceStack(np.zeros(shape, np.float32), affine, acquisition.thickness_mm, name=orientation)


def _unit(rng: np.random.Generator) -> AnyArray:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _motions(counts: Sequence[int], acquisition: Acquisition, rng: np.random.Generator) -> list[AnyArray]:
    """Return motion (n, 6) of each stack: smooth in the order of acquisition, even slices first, then odd ones."""
    motions = []
    for n in counts:
        walk = gaussian_filter1d(rng.standard_normal((n, 6)), _SMOOTH_SLICES, axis=0, mode="nearest")
        order = np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)])
        motions.append(walk[np.argsort(order)])
    every = np.concatenate(motions)
    rms = [math.sqrt(float((every[:, part] ** 2).sum(1).mean())) for part in (slice(0, 3), slice(3, 6))]
    scale = np.repeat([np.deg2rad(acquisition.motion_deg) / rms[0], acquisition.motion_mm / rms[1]], 3)
    return [motion * scale for motion in motions]


def _acquire(
    truth: WorldVolume, belongs: WorldVolume, stack: SliceStack, motion: AnyArray, acquisition: Acquisition
) -> tuple[SliceStack, AnyArray]:
    """Return the stack with its images and mask, and its motion about the pivots that follow from the mask."""
    matrices = affines(motion, stack.pivots)
    _, height, width = stack.images.shape
    pixels = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1)
    images, masks = np.zeros_like(stack.images), np.zeros(stack.images.shape, bool)

    def acquire(s: int) -> None:
        to_world = matrices[s] @ stack.affine
        at = np.concatenate([np.full((height, width, 1), s), pixels], -1)
        masks[s] = belongs.sample(at @ to_world[:3, :3].T + to_world[:3, 3]) > 0.5
        images[s] = slice_image(truth, to_world, s, (height, width), stack, acquisition.profile)

    truth.sample(truth.affine[None, :3, 3], order=3)  # the spline's coefficients, once for all threads
    for_each(acquire, range(len(matrices)))
    seen = SliceStack(images, stack.affine, stack.thickness_mm, masks, stack.name)
    return seen, repivoted(motion, stack.pivots, seen.pivots)


def slice_image(
    truth: WorldVolume, to_world: AnyArray, s: int, shape: tuple[int, int], stack: SliceStack, profile: SliceProfile
) -> FloatArray:
    """Return a slice by quadrature of the truth's cubic spline with the profile, finer than any method's own.

    Planes through the slice's thickness are sampled at half the pixel's spacing, summed up by the profile, and blurred
    in the plane by a discrete Gaussian.
    """
    spacing = stack.spacing_mm
    sigma = profile.sigma_mm(spacing, stack.thickness_mm)
    fine = sigma[1:] / spacing[1:] * _OVERSAMPLING
    pad = np.ceil(4 * fine).astype(int)
    axes = [(np.arange(-p, n * _OVERSAMPLING + p)) / _OVERSAMPLING for n, p in zip(shape, pad, strict=True)]
    offsets, weights = profile.nodes(spacing, stack.thickness_mm, (_THROUGH_NODES, 1, 1))
    rows, columns = np.meshgrid(*axes, indexing="ij")
    total = np.zeros(rows.shape, np.float32)
    for offset, weight in zip(offsets[:, 0] / spacing[0], weights, strict=True):
        at = np.stack([np.full(rows.shape, s + offset), rows, columns], -1)
        total += np.float32(weight) * truth.sample(at @ to_world[:3, :3].T + to_world[:3, 3], order=3)
    blurred = gaussian_filter(total, tuple(fine), mode="constant")
    return np.asarray(blurred[pad[0] :: _OVERSAMPLING, pad[1] :: _OVERSAMPLING][: shape[0], : shape[1]], np.float32)


def _coil(stack: SliceStack, rng: np.random.Generator) -> AnyArray:
    """Return the logarithm of a coil's field (n, h, w), of mean 0 and standard deviation 1 in the mask."""
    places = stack.world(np.stack(np.meshgrid(*map(np.arange, stack.images.shape), indexing="ij"), -1))
    inside = places[stack.inside]
    radius = float(np.sqrt(((inside - inside.mean(0)) ** 2).sum(1).mean()))
    coil = inside.mean(0) + _COIL_RADII * radius * _unit(rng)
    logarithm = -np.log1p(((places - coil) ** 2).sum(-1) / radius**2)
    inside = logarithm[stack.inside]
    return np.asarray((logarithm - inside.mean()) / inside.std())


def _choose_corrupted(used: Sequence[AnyArray], share: float, rng: np.random.Generator) -> list[AnyArray]:
    """Return which slices of each stack are damaged: a share of all that show the object."""
    pairs = [(k, int(s)) for k, slices in enumerate(used) for s in slices]
    chosen = rng.permutation(len(pairs))[: round(share * len(pairs))]
    return [np.array(sorted(pairs[i][1] for i in chosen if pairs[i][0] == k), int) for k in range(len(used))]


def _corrupt(image: AnyArray, inside: AnyArray, peak: float, rng: np.random.Generator) -> AnyArray:
    """Damage a slice as motion during its acquisition does: the signal is lost in most of it, or streaks cross it."""
    height, width = image.shape
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    along = math.cos(angle) * rows + math.sin(angle) * columns
    if rng.random() < 0.5:
        edge = np.quantile(along[inside], rng.uniform(0.6, 0.9))
        return np.asarray(image * (0.1 + 0.9 / (1 + np.exp(-(along - edge) / 2))))
    streaks = 0.35 * peak * np.sin(2 * np.pi * along / rng.uniform(4, 9) + rng.uniform(0, 2 * np.pi))
    return np.asarray(image * rng.uniform(0.4, 0.8) + streaks * inside)
