from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

if TYPE_CHECKING:
    import torch

    from napari_emgauss.methods.svr.measured import Measured


class Fitted(NamedTuple):
    """Slices of a head, and a field that was fitted to them where they truly were."""

    measured: Measured
    motion: np.ndarray
    mean: torch.Tensor
    covariance: torch.Tensor
    amplitude: np.ndarray
    drawn: np.ndarray
    damaged: np.ndarray

    def cuts(self, motion: np.ndarray) -> Any:
        from napari_emgauss.forward.cuts import Cuts

        return Cuts(self.mean, self.covariance, self.measured.planes(motion))


@pytest.fixture(scope="session")
def fitted(moving: Any) -> Fitted:
    from napari_emgauss.methods.svr.fitting.evidence import fitted_field
    from napari_emgauss.methods.svr.job import SliceJob
    from napari_emgauss.methods.svr.setup import prepare

    setup = prepare(moving.stacks, known_motion=moving.motion)
    objective = SliceJob(setup, [np.eye(4)] * 3).build(0)
    measured, motion = objective.measured, objective.model.motion.numpy()
    damaged = np.concatenate(moving.corrupted)[measured.rows]
    mean, covariance, fit = fitted_field(measured, motion, np.where(damaged, 0.0, 1.0), 1.6, 0.002)
    return Fitted(measured, motion, mean, covariance, fit.amplitude, fit.drawn, damaged)
