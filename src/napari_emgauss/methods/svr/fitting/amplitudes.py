"""The amplitudes of a field with fixed Gaussians, in which slices are linear: conjugate gradients, one at a time.

Minimises Σ w (y − g D a)² + λ s Σ vᵢⱼ (aᵢ − aⱼ)² over neighbours, with D the slices of unit amplitudes, g the gains, w
the weights of pixels, v those of pairs. s is the mean curvature of the first part along a constant, so that λ has no
unit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.runtime.jit import njit_nogil


class AmplitudeFit:
    """A solution on its way.

    Parameters
    ----------
    cuts
        The slices.
    values, weight, gain
        y, w and g, each a row of pixels.
    pairs
        Neighbours (p, 2).
    smoothness
        λ.
    pair_weight
        v (p,); 1 by default.
    amplitude
        Where it starts (N,).
    """

    def __init__(
        self,
        cuts: Cuts,
        values: FloatArray,
        weight: FloatArray,
        gain: FloatArray,
        pairs: AnyArray,
        *,
        smoothness: float,
        pair_weight: FloatArray | None = None,
        amplitude: FloatArray,
    ) -> None:
        self.cuts, self._slope, self._curvature = cuts, weight * gain, weight * gain * gain
        self._lower, self._upper = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
        self._pair_weight = np.ones(len(pairs), np.float32) if pair_weight is None else pair_weight
        flat = cuts.draw(np.ones(cuts.n, np.float32))
        typical = _dot(self._curvature * flat, flat) / cuts.n
        self._strength = np.float32(smoothness * typical)
        self.amplitude = amplitude.astype(np.float32)
        self.drawn = cuts.draw(self.amplitude)
        """What the amplitudes draw, before the gains: a row of pixels."""
        self.residual = self._gradient(values - gain * self.drawn)
        self.direction = self.residual.copy()
        self.squared = _dot(self.residual, self.residual)

    def step(self) -> None:
        """Make one conjugate gradient."""
        image = self.cuts.draw(self.direction)
        product = self.cuts.project(self._curvature * image)
        product += self._strength * self._roughness(self.direction)
        length = np.float32(self.squared / max(_dot(self.direction, product), 1e-30))
        self.amplitude += length * self.direction
        self.drawn += length * image
        self.residual -= length * product
        before, self.squared = self.squared, _dot(self.residual, self.residual)
        self.direction = self.residual + np.float32(self.squared / max(before, 1e-30)) * self.direction

    def state(self) -> dict[str, Tensor]:
        """Return all that `restore` needs to go on exactly."""
        arrays = {"residual": self.residual, "direction": self.direction, "drawn": self.drawn}
        arrays["pair_weight"] = self._pair_weight
        return {name: torch.from_numpy(array) for name, array in arrays.items()} | {
            "squared": torch.tensor(self.squared, dtype=torch.float64)
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a `state` of a fit that was made with the same arguments, and of its amplitudes."""
        self.residual, self.direction = state["residual"].numpy().copy(), state["direction"].numpy().copy()
        self.drawn, self.squared = state["drawn"].numpy().copy(), float(state["squared"])
        self._pair_weight = state["pair_weight"].numpy().copy()

    def _gradient(self, difference: FloatArray) -> FloatArray:
        """Half the slope towards the minimum."""
        gradient = self.cuts.project(self._slope * difference)
        return gradient - self._strength * self._roughness(self.amplitude)

    def _roughness(self, x: FloatArray) -> FloatArray:
        """The graph Laplacian: of every node, the weighted sum of its differences from its neighbours."""
        slope = np.zeros(len(x))
        _add_differences(slope, x, self._lower, self._upper, self._pair_weight)
        return slope.astype(np.float32)


@njit_nogil
def _add_differences(slope: AnyArray, x: FloatArray, lower: AnyArray, upper: AnyArray, weight: FloatArray) -> None:
    for p in range(lower.shape[0]):
        apart = weight[p] * (x[lower[p]] - x[upper[p]])
        slope[lower[p]] += apart
        slope[upper[p]] -= apart


def _dot(a: FloatArray, b: FloatArray) -> float:
    # Not BLAS, whose result depends on its number of threads.
    return float(np.sum(a * b, dtype=np.float64))
