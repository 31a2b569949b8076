"""Whether the motion that was found helps, judged on slices that a fit did not see."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.gaussians.lattice import SCALE, Lattice
from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.fitting.amplitudes import AmplitudeFit
from napari_emgauss.methods.svr.fitting.motion import moved_slices
from napari_emgauss.methods.svr.fitting.outliers import gains
from napari_emgauss.methods.svr.measured import Measured

STEPS, REGISTRATIONS = 8, 3
BETTER_BY = 1.005
"""The error of hidden slices has to fall by this factor; a motion of the noise's size is none."""


@dataclass(frozen=True, kw_only=True)
class MotionEvidence:
    """What hidden slices say, each number a median over them of the error's root mean square."""

    n_hidden: int
    """Slices that were hidden."""
    still: float
    """Error where no slice that is fitted moves."""
    moved: float
    """Error with the motion that was found."""
    seen: float
    """Error of slices that were fitted, with that motion."""

    @property
    def helps(self) -> bool:
        """Whether the motion is taken."""
        return self.moved * BETTER_BY < self.still

    @property
    def optimism(self) -> float:
        """Error of hidden slices by that of fitted ones: by how much residuals understate the error."""
        return max(self.moved if self.helps else self.still, self.seen) / max(self.seen, 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON has them."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class BiasEvidence:
    """What hidden slices say of the stacks' fields of brightness, as `MotionEvidence` does."""

    uneven: float
    """Error where slices are taken as they are."""
    evened: float
    """Error where they are divided by the fields, and predictions multiplied."""

    @property
    def helps(self) -> bool:
        """Whether the fields are taken."""
        return self.evened * BETTER_BY < self.uneven

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON has them."""
        return asdict(self)


@dataclass(frozen=True)
class HiddenSlices:
    """A comparison of what is known of slices by how well some predict the others.

    Hidden slices are registered to what the others show in any case: it is the volume that is judged.

    Parameters
    ----------
    measured
        All slices, as they are.
    weights
        Of the slices (S,).
    config
        Settings.
    spacing_mm, smoothness
        Of the field that is fitted to compare.
    """

    measured: Measured
    weights: AnyArray
    config: SvrConfig
    spacing_mm: float
    smoothness: float

    @property
    def hidden(self) -> AnyArray:
        """Which slices (S,) are hidden."""
        hidden = np.zeros(len(self.measured), bool)
        hidden[self.config.hide_every // 2 :: self.config.hide_every] = True
        return np.asarray(hidden & (self.weights > 0.5))

    def judge_motion(self, motion: AnyArray, bias: AnyArray) -> MotionEvidence:
        """Compare a motion (S, 6) with none; fields of brightness (stacks, 9) are taken off."""
        still, _ = self._errors(np.zeros_like(motion), bias)
        moved, seen = self._errors(motion, bias)
        return MotionEvidence(n_hidden=int(self.hidden.sum()), still=still, moved=moved, seen=seen)

    def judge_bias(self, motion: AnyArray, bias: AnyArray) -> BiasEvidence:
        """Compare fields of brightness (stacks, 9) with none, both with a motion (S, 6)."""
        uneven, evened = (self._errors(motion, own)[0] for own in (np.zeros_like(bias), bias))
        return BiasEvidence(uneven=uneven, evened=evened)

    def _errors(self, motion: AnyArray, bias: AnyArray) -> tuple[float, float]:
        """Errors of hidden slices and of those that are fitted."""
        hidden = self.hidden
        shown, rest = (self.measured.subset(np.flatnonzero(part)) for part in (~hidden, hidden))
        even, places = rest.evened(bias), motion[hidden]
        mean, covariance, fit = fitted_field(
            shown.evened(bias), motion[~hidden], self.weights[~hidden], self.spacing_mm, self.smoothness
        )
        for step in range(REGISTRATIONS + 1):
            cuts = Cuts(mean, covariance, even.planes(places))
            if step == REGISTRATIONS:
                break
            places = moved_slices(even, cuts, fit.amplitude, places, even.inside, self.config, smooth=False)
        return _errors(rest, rest.field(bias) * cuts.draw(fit.amplitude)), _errors(shown, shown.field(bias) * fit.drawn)


def misfit(measured: Measured, *, spacing_mm: float, smoothness: float) -> float:
    """Return how badly slices fit one field where their stacks are placed: the median of their errors."""
    n = len(measured)
    _, _, fit = fitted_field(measured, np.zeros((n, 6)), np.ones(n), spacing_mm, smoothness)
    return _errors(measured, fit.drawn)


def fitted_field(
    measured: Measured, motion: AnyArray, weights: AnyArray, spacing_mm: float, smoothness: float
) -> tuple[torch.Tensor, torch.Tensor, AmplitudeFit]:
    """Return centres, covariances and amplitudes of a field that is fitted to slices where a motion puts them."""
    lattice = Lattice.around(measured.points(motion), spacing_mm, margin=2 * spacing_mm)
    positions = torch.from_numpy(lattice.positions).float()
    field = SolidGaussians.round(positions, SCALE * spacing_mm, torch.zeros(len(positions)))
    covariance = field.covariance().detach()
    cuts = Cuts(positions, covariance, measured.planes(motion))
    weight = measured.inside * measured.layout.spread(weights)
    ones = measured.layout.spread(np.ones(len(measured)))
    start = np.zeros(len(positions), np.float32)
    fit = AmplitudeFit(cuts, measured.values, weight, ones, lattice.pairs(), smoothness=smoothness, amplitude=start)
    for _ in range(STEPS):
        fit.step()
    return positions, covariance, fit


def _errors(measured: Measured, drawn: FloatArray) -> float:
    """Median over slices of the root mean square of what is left, each with a gain of its own."""
    gain = measured.layout.spread(gains(measured, drawn, measured.inside, np.ones(len(measured))))
    left = (measured.values - gain * drawn) * measured.inside
    images = [measured.layout.image(row, s) for row in (left, measured.inside) for s in range(len(measured))]
    n = len(measured)
    squares = [float(np.sum(images[s] ** 2) / np.sum(images[n + s])) for s in range(n)]
    return float(np.sqrt(np.median(squares)))
