"""The end of a half's training: when the images of the other half say that its map gets worse."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.sums import NormalEquations
from napari_emgauss.methods.gem.model import HalfModel
from napari_emgauss.training import Hook, SavedState
from napari_emgauss.training.optimiser import Optimiser

EVERY = 10
"""Iterations between two looks at the other half."""
DEVIATIONS = 1.0
"""By how many standard deviations of chance the other half has to disagree."""


class OtherHalf(Hook):
    """Ends the training once the map explains the other half's images worse than before, by more than chance.

    The other half's noise makes the difference between two maps d apart in their loss uncertain by 2 √⟨d, K d⟩. A
    training that ends so goes back to the last map that was not worse by that.

    Parameters
    ----------
    model
        In training.
    others
        Normal equations of the other half, without a prior.
    first
        Iteration of the first look.
    """

    name = "other_half"

    def __init__(self, model: HalfModel, others: NormalEquations, *, first: int = 0) -> None:
        self.model, self.others, self.first = model, others, first
        self.finished = False
        self.lowest = float("inf")
        self._best: FloatArray | None = None
        self._kept: dict[str, Tensor] = {}

    @torch.no_grad()
    def after_step(self, iteration: int, n_iterations: int, optimiser: Optimiser) -> None:
        """Look at the other half now and then."""
        made = iteration + n_iterations
        if made < self.first or made % EVERY:
            return
        volume = self.model.map()
        loss = self.others.loss(volume) * self.others.n_images
        if loss < self.lowest or self._best is None:
            self.lowest, self._best = loss, volume
        elif loss - self.lowest > DEVIATIONS * self._chance(volume - self._best):
            self.finished = True
            self.model.load_state_dict(self._kept, strict=True)
            return
        self._kept = copy.deepcopy(dict(self.model.state_dict()))

    def _chance(self, difference: FloatArray) -> float:
        return 2 * float(np.sqrt(max(float(np.vdot(difference, self.others.apply(difference))), 0.0)))

    def state(self) -> SavedState:
        """Return the best map and the model that training would go back to."""
        tensors = {f"kept/{name}": tensor for name, tensor in self._kept.items()}
        if self._best is not None:
            tensors["best"] = torch.from_numpy(self._best)
        return tensors, {"lowest": self.lowest if self._kept else None, "finished": self.finished}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self._kept = {n.removeprefix("kept/"): t.clone() for n, t in tensors.items() if n.startswith("kept/")}
        self._best = tensors["best"].numpy().copy() if "best" in tensors else None
        self.lowest = float("inf") if values["lowest"] is None else float(values["lowest"])
        self.finished = bool(values["finished"])
