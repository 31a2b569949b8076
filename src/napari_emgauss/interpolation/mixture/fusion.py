"""Predictions of a section, mixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.lateral.network import LateralInterpolator, LateralNetwork
from napari_emgauss.interpolation.plain import Interpolator, blurred
from napari_emgauss.interpolation.prior import Contrast, PriorInterpolator, PriorNetwork

PRIOR = "prior"
"""The network that has learned from other volumes."""
LATERAL = ("straight", "aligned")
"""The lateral network on the sections as they are, and on sections carried to z by optical flow."""
NETWORKS = (PRIOR, *LATERAL)
"""What networks predict."""
PLAIN = tuple(method + blur for blur in ("", "+blur0.7", "+blur1.0") for method in ("flow", "linear", "cubic"))
"""The baselines, all of them; blurred ones too, since a network that only denoises must not look good for want of them.
"""
CANDIDATES = (*NETWORKS, *PLAIN)
"""What is mixed."""

SHARPENING_PX = 1.5
"""Gaussian σ that separates detail from the rest."""
_SUM_TOLERANCE = 1e-3


def learned_detail(parts: Mapping[str, FloatArray], shares: Mapping[str, float]) -> FloatArray:
    """Return the detail (Y, X) finer than `SHARPENING_PX` in what networks contribute to a mixture."""
    return _detail(parts, shares, NETWORKS, SHARPENING_PX)


def learned_instead(parts: Mapping[str, FloatArray], shares: Mapping[str, float], finer_px: float) -> FloatArray:
    """Return what to add to a mixture for its detail finer than ``finer_px`` to be that of the networks alone."""
    share = sum(shares[name] for name in NETWORKS if name in parts)
    learned, plain = (_detail(parts, shares, names, finer_px) for names in (NETWORKS, PLAIN))
    return learned * np.float32((1 - share) / share) - plain


def _detail(
    parts: Mapping[str, FloatArray], shares: Mapping[str, float], names: Sequence[str], sigma_px: float
) -> FloatArray:
    """Return what a blur takes from the contribution (Y, X) of the candidates ``names`` to a mixture."""
    nothing = np.zeros_like(next(iter(parts.values())))
    contributed = sum((np.float32(shares[name]) * parts[name] for name in names if name in parts), nothing)
    return np.asarray(contributed - blurred(contributed, sigma_px), np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class Learned:
    """The networks that predict sections; None where there is none."""

    prior: PriorNetwork | None = None
    lateral: LateralNetwork | None = None
    views: int = 1
    """Views that the prior averages; see `PriorInterpolator`."""

    @property
    def on_a_gpu(self) -> bool:
        """Whether the prior computes on a GPU."""
        return self.prior is not None and next(self.prior.parameters()).device.type != "cpu"

    @property
    def candidates(self) -> tuple[str, ...]:
        """Names of what can be mixed."""
        prior, lateral = (PRIOR,) if self.prior is not None else (), LATERAL if self.lateral is not None else ()
        return (*prior, *lateral, *PLAIN)


NOTHING_LEARNED = Learned()


@dataclass(frozen=True, eq=False)
class Stack:
    """Observed sections, and what predicting between them takes to know."""

    sections: FloatArray
    """Sections (n, Y, X), at least two."""
    factor: float
    """Anisotropy dz / dx."""
    z: Sequence[float] | None = None
    """Section coordinates (n,); 0, 1, 2, ... by default."""
    contrast: Contrast | None = None
    """Of the whole stack, where these are a part of it."""

    def every_other(self, start: int) -> Stack:
        """Every second section from ``start`` on, where it is."""
        z = np.arange(len(self.sections), dtype=np.float64) if self.z is None else np.asarray(self.z)
        contrast = Contrast.of(self.sections) if self.contrast is None else self.contrast
        return Stack(self.sections[start::2], self.factor, z[start::2].tolist(), contrast)


def joined(stacks: Sequence[Stack]) -> FloatArray:
    """Return the sections (n, Y, X) of all stacks, which are equally wide; without a copy where there is one."""
    return stacks[0].sections if len(stacks) == 1 else np.concatenate([stack.sections for stack in stacks])


class FusedInterpolator:
    """Sections at any real z as a mixture of networks, flow and linear interpolation.

    Parameters
    ----------
    stack
        The sections; z counts them.
    shares
        Share of each of `CANDIDATES`, as in `MixtureEvidence.shares`; one that is missing is 0.
    learned
        The networks of the candidates that have a share.
    sharpening
        How much of the networks' detail finer than `SHARPENING_PX` is added to them once more: where a network is
        unsure it blurs, since that has the least squared error.
    learned_below_px
        Detail finer than this (Gaussian σ) is the networks' alone, where they have a share: plain interpolation draws a
        section's noise out along z. 0 leaves the mixture as it is.
    """

    def __init__(
        self,
        stack: Stack,
        shares: Mapping[str, float],
        learned: Learned = NOTHING_LEARNED,
        *,
        sharpening: float = 0.0,
        learned_below_px: float = 0.0,
    ) -> None:
        unknown = set(shares) - set(CANDIDATES)
        if unknown:
            raise ValueError(f"shares must be among {', '.join(CANDIDATES)}, got {', '.join(sorted(unknown))}.")
        self.shares = {name: float(shares.get(name, 0.0)) for name in CANDIDATES}
        if min(self.shares.values()) < 0 or abs(sum(self.shares.values()) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"shares must be at least 0 and sum to 1, got {dict(shares)}. See MixtureEvidence.shares.")
        self._sections, self._sharpening, self._learned_below_px = stack.sections, sharpening, learned_below_px
        if missing := sorted({name for name, share in self.shares.items() if share > 0} - set(learned.candidates)):
            raise ValueError(f"{', '.join(missing)} need a network, got none and shares {dict(shares)}.")
        self._interpolator = Interpolator(stack.sections)
        self._plain = {name: self.plain(name) for name in PLAIN if self.shares[name] > 0}
        self._lateral, self._prior = None, None
        if learned.lateral is not None and any(self.shares[name] > 0 for name in LATERAL):
            self._lateral = LateralInterpolator(learned.lateral, stack.sections)
        if self.shares[PRIOR] > 0:
            self._prior = PriorInterpolator(
                stack.sections,
                stack.factor,
                z=stack.z,
                contrast=stack.contrast,
                views=learned.views,
                network=learned.prior,
            )

    def section(self, z: float, learned: FloatArray | None = None) -> FloatArray:
        """Return the image (Y, X) at ``z``; the observed section itself at a whole one.

        ``learned`` is what the prior predicts there, where `learned_between` has found it already.

        Raises
        ------
        SectionRangeError
            ``z`` is outside 0..n-1.
        """
        if z in range(len(self._sections)):
            return np.array(self._sections[int(z)], np.float32)
        return self.mixed(self.candidates(z, learned))

    def mixed(self, parts: Mapping[str, FloatArray]) -> FloatArray:
        """Return the mixture of the images that `candidates` returned."""
        shares = np.array([self.shares[name] for name in parts], np.float32)
        fused = np.tensordot(shares, np.stack(list(parts.values())), 1)
        if any(name in NETWORKS for name in parts):
            if self._learned_below_px:
                fused += learned_instead(parts, self.shares, self._learned_below_px)
            if self._sharpening:
                fused += np.float32(self._sharpening) * learned_detail(parts, self.shares)
        return fused.astype(np.float32)

    def plain(self, name: str) -> Interpolator:
        """Return plain interpolation of the same sections; optical flow is found once for all of them."""
        return self._interpolator.by(name)

    def learned_between(self, gaps: Sequence[int], phases: Sequence[float]) -> FloatArray | None:
        """Return the prior's images (gaps, phases, Y, X), which a GPU finds together; None if it has no share."""
        return None if self._prior is None else self._prior.between(gaps, phases)

    def candidates(self, z: float, learned: FloatArray | None = None) -> dict[str, FloatArray]:
        """Return the images (Y, X) that have a share, by name; ``learned`` as in `section`."""
        images = {name: plain.section(z) for name, plain in self._plain.items()}
        if self._prior is not None:
            images[PRIOR] = self._prior.section(z) if learned is None else learned
        if self._lateral is not None:
            images |= zip(LATERAL, self._lateral.straight_and_aligned(z), strict=True)
        return {name: image for name, image in images.items() if self.shares[name] > 0}
