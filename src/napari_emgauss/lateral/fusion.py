"""Which mixture of predictions to trust, decided on sections that are hidden for the purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.baselines import Interpolator
from napari_emgauss.errors import VolumeError
from napari_emgauss.lateral.network import LateralInterpolator, LateralNetwork
from napari_emgauss.lateral.training import adapt
from napari_emgauss.metrics import psnr_from_mse

LATERAL = ("straight", "aligned")
"""The lateral network on the sections as they are, and on sections carried to z by optical flow."""
PLAIN = ("flow", "linear", "flow+blur0.7", "linear+blur0.7")
"""The baselines; blurred ones too, since a network that only denoises must not look good for want of them."""
CANDIDATES = LATERAL + PLAIN
"""What is mixed."""

_SOLVER_STEPS = 20_000
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What hiding every other section of a stack showed."""

    shares: dict[str, float]
    """Share of each of `CANDIDATES`, at least 0, in sum 1: the mixture that fits the hidden sections best."""
    psnr_db: dict[str, float]
    """Each candidate, and their mixture ``fused``, against the hidden sections, at twice the gap."""
    n_hidden: int
    """Sections that were hidden and scored."""

    @property
    def lateral_share(self) -> float:
        """Share of the lateral network, 0..1; 0 where the evidence rejects it."""
        return sum(self.shares[name] for name in LATERAL)


class FusedInterpolator:
    """Sections at any real z as a mixture of the lateral network, flow and linear interpolation.

    Parameters
    ----------
    network
        The lateral network.
    sections
        Stack (n, Y, X), at least two sections.
    shares
        Share of each of `CANDIDATES`, as in `Evidence.shares`; one that is missing is 0.
    """

    def __init__(self, network: LateralNetwork, sections: FloatArray, shares: Mapping[str, float]) -> None:
        unknown = set(shares) - set(CANDIDATES)
        if unknown:
            raise ValueError(f"shares must be among {', '.join(CANDIDATES)}, got {', '.join(sorted(unknown))}.")
        self.shares = {name: float(shares.get(name, 0.0)) for name in CANDIDATES}
        if min(self.shares.values()) < 0 or abs(sum(self.shares.values()) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"shares must be at least 0 and sum to 1, got {dict(shares)}. See Evidence.shares.")
        self._lateral = LateralInterpolator(network, sections)
        self._plain = {name: Interpolator(sections, name) for name in PLAIN if self.shares[name] > 0}

    def section(self, z: float) -> tuple[FloatArray, FloatArray]:
        """Image (Y, X) at ``z`` and the weighted standard deviation (Y, X) of its parts, 0 at an observed section."""
        if z == int(z):
            return self._lateral.section(z)
        parts = self.candidates(z)
        shares = np.array([self.shares[name] for name in parts], np.float32)
        images = np.stack(list(parts.values()))
        fused = np.tensordot(shares, images, 1)
        spread = np.sqrt(np.tensordot(shares, (images - fused) ** 2, 1))
        return fused.astype(np.float32), spread.astype(np.float32)

    def candidates(self, z: float) -> dict[str, FloatArray]:
        """The images (Y, X) that have a share, by name."""
        images = {name: plain.section(z) for name, plain in self._plain.items()}
        # The lateral views cost most of all.
        if any(self.shares[name] > 0 for name in LATERAL):
            views = self._lateral.views(z)
            images |= {"straight": views.straight, "aligned": views.aligned}
        return {name: image for name, image in images.items() if self.shares[name] > 0}


def gather_evidence(
    sections: FloatArray,
    network: LateralNetwork,
    *,
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> Evidence:
    """Hide every other section, predict it from the rest and fit the shares of `CANDIDATES` to it.

    The network is first adapted, in a copy, to the doubled gap. Where tissue along z is unlike tissue along y and x,
    the lateral candidates fit the hidden sections badly and lose their shares. The network has seen the hidden sections
    themselves, but only their rows: nothing of what lies above or below.

    Parameters
    ----------
    sections
        Stack (n, Y, X) with at least three sections, as the network was trained on.
    network
        The network of `train_lateral`.
    seed
        Seed of the adaptation.
    should_stop
        Asked between hidden sections; what was scored so far then decides.

    Raises
    ------
    VolumeError
        There are fewer than three sections, or they are too small to hide rows at twice the gap.
    """
    if len(sections) < 3:
        raise VolumeError(f"it takes at least 3 sections to hide one, got {len(sections)}. Trust no evidence of fewer.")
    doubled = adapt(network, sections, 2 * network.factor, seed=seed, should_stop=should_stop)
    everything = dict.fromkeys(CANDIDATES, 1 / len(CANDIDATES))
    halves = {
        start: FusedInterpolator(doubled, sections[start::2], everything) for start in (0, 1)[: len(sections) - 2]
    }
    wanted = min(len(sections) - 2, network.config.evidence_sections)
    gram = np.zeros((len(CANDIDATES), len(CANDIDATES)))
    n_hidden = 0
    for hidden in np.unique(np.linspace(1, len(sections) - 2, wanted).round().astype(int)):
        # Section h is hidden from the stack of the other parity, where it lies at z = (h - start) / 2.
        start = int((hidden + 1) % 2)
        parts = halves[start].candidates((hidden - start) / 2)
        gram += _error_products([parts[name] for name in CANDIDATES], sections[hidden])
        n_hidden += 1
        if should_stop is not None and should_stop():
            break
    gram /= n_hidden
    shares = _evened(_smallest_on_simplex(gram), gram)
    psnr_db = {name: psnr_from_mse(gram[i, i]) for i, name in enumerate(CANDIDATES)}
    psnr_db["fused"] = psnr_from_mse(float(shares @ gram @ shares))
    named = dict(zip(CANDIDATES, shares.tolist(), strict=True))
    return Evidence(shares=named, psnr_db=psnr_db, n_hidden=n_hidden)


def fit_shares(candidates: Sequence[npt.NDArray[np.floating]], truth: npt.NDArray[np.floating]) -> list[float]:
    """Shares (at least 0, in sum 1) of ``candidates`` whose mixture has the least mean squared error against ``truth``.

    Parameters
    ----------
    candidates
        Arrays of the shape of ``truth``.
    truth
        Array of any shape.
    """
    shares: list[float] = _smallest_on_simplex(_error_products(candidates, truth)).tolist()
    return shares


def _error_products(
    candidates: Sequence[npt.NDArray[np.floating]], truth: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Mean product (k, k) of the candidates' errors: with shares w in sum 1, the mixture's squared error is w·G·w."""
    errors = np.stack([(candidate - truth).ravel() for candidate in candidates]).astype(np.float64)
    return np.asarray(errors @ errors.T / errors.shape[1], np.float64)


def _evened(shares: npt.NDArray[np.float64], gram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shares with the split between the lateral candidates moved halfway from its best to an even one.

    Flow across the doubled gap is poorer than across the gap itself, so the hidden sections undervalue alignment. The
    best split is the unlimited one: where it is far outside 0..1, the better candidate still keeps everything.
    """
    straight, aligned = (CANDIDATES.index(name) for name in LATERAL)
    whole = shares[straight] + shares[aligned]
    difference = np.zeros(len(shares))
    difference[[straight, aligned]] = 1, -1
    curvature = whole * (difference @ gram @ difference)
    if curvature <= 0:
        return shares
    evened = shares.copy()
    evened[[straight, aligned]] = 0, whole
    best = -(difference @ gram @ evened) / curvature
    share = whole * float(np.clip((best + 0.5) / 2, 0, 1))
    evened[[straight, aligned]] = share, whole - share
    return evened


def _smallest_on_simplex(gram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The w ≥ 0 in sum 1 of least w·G·w, by projected gradient descent: small, convex, no corner cases."""
    size = len(gram)
    shares = np.full(size, 1 / size)
    trace = np.trace(gram)
    if trace == 0:
        return shares
    for _ in range(_SOLVER_STEPS):
        moved = _onto_simplex(shares - gram @ shares / trace)
        if np.abs(moved - shares).max() < 1e-9:
            return moved
        shares = moved
    return shares


def _onto_simplex(point: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Nearest point with entries ≥ 0 in sum 1 (Held, Wolfe & Crowder 1974)."""
    falling = np.sort(point)[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, len(point) + 1)
    level = excess[np.nonzero(falling > excess)[0][-1]]
    return np.asarray(np.maximum(point - level, 0), np.float64)
