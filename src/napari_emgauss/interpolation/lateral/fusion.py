"""Predictions of a section, mixed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.lateral.network import LateralInterpolator, LateralNetwork
from napari_emgauss.interpolation.plain import Interpolator

LATERAL = ("straight", "aligned")
"""The lateral network on the sections as they are, and on sections carried to z by optical flow."""
PLAIN = ("flow", "linear", "flow+blur0.7", "linear+blur0.7")
"""The baselines; blurred ones too, since a network that only denoises must not look good for want of them."""
CANDIDATES = LATERAL + PLAIN
"""What is mixed."""

SHARPENING_PX = 1.5
"""Gaussian σ that separates detail from the rest."""
_SUM_TOLERANCE = 1e-3


def learned_detail(parts: Mapping[str, FloatArray], shares: Mapping[str, float]) -> FloatArray:
    """Return the detail (Y, X) finer than `SHARPENING_PX` in what the network contributes to a mixture."""
    learned = sum(np.float32(shares[name]) * parts[name] for name in LATERAL if name in parts)
    return np.asarray(learned - gaussian_filter(learned, SHARPENING_PX), np.float32)


class FusedInterpolator:
    """Sections at any real z as a mixture of the lateral network, flow and linear interpolation.

    Parameters
    ----------
    network
        The lateral network; None where `LATERAL` candidates have no share.
    sections
        Stack (n, Y, X), at least two sections.
    shares
        Share of each of `CANDIDATES`, as in `MixtureEvidence.shares`; one that is missing is 0.
    sharpening
        How much of the lateral candidates' detail finer than `SHARPENING_PX` is added to them once more: where a
        network is unsure it blurs, since that has the least squared error.
    """

    def __init__(
        self,
        network: LateralNetwork | None,
        sections: FloatArray,
        shares: Mapping[str, float],
        *,
        sharpening: float = 0.0,
    ) -> None:
        unknown = set(shares) - set(CANDIDATES)
        if unknown:
            raise ValueError(f"shares must be among {', '.join(CANDIDATES)}, got {', '.join(sorted(unknown))}.")
        self.shares = {name: float(shares.get(name, 0.0)) for name in CANDIDATES}
        if min(self.shares.values()) < 0 or abs(sum(self.shares.values()) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"shares must be at least 0 and sum to 1, got {dict(shares)}. See MixtureEvidence.shares.")
        self._sections, self._sharpening = sections, sharpening
        self._lateral = None if network is None else LateralInterpolator(network, sections)
        if self._lateral is None and any(self.shares[name] > 0 for name in LATERAL):
            raise ValueError(f"{' and '.join(LATERAL)} need a network, got None and shares {dict(shares)}.")
        self._plain = {name: Interpolator(sections, name) for name in PLAIN if self.shares[name] > 0}

    def section(self, z: float) -> FloatArray:
        """Return the image (Y, X) at ``z``; the observed section itself at a whole one.

        Raises
        ------
        SectionRangeError
            ``z`` is outside 0..n-1.
        """
        if z in range(len(self._sections)):
            return np.array(self._sections[int(z)], np.float32)
        parts = self.candidates(z)
        shares = np.array([self.shares[name] for name in parts], np.float32)
        fused = np.tensordot(shares, np.stack(list(parts.values())), 1)
        if self._sharpening and any(name in LATERAL for name in parts):
            fused += np.float32(self._sharpening) * learned_detail(parts, self.shares)
        return fused.astype(np.float32)

    def candidates(self, z: float) -> dict[str, FloatArray]:
        """Return the images (Y, X) that have a share, by name."""
        images = {name: plain.section(z) for name, plain in self._plain.items()}
        # The lateral ones cost most of all.
        if self._lateral is not None and any(self.shares[name] > 0 for name in LATERAL):
            images |= zip(LATERAL, self._lateral.straight_and_aligned(z), strict=True)
        return {name: image for name, image in images.items() if self.shares[name] > 0}
