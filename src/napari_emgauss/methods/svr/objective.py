"""Objective of the one block of a reconstruction from slices: all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward.grid import draw_grid
from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.fitting.solver import SliceSolver
from napari_emgauss.methods.svr.measured import Measured
from napari_emgauss.methods.svr.model import SliceModel
from napari_emgauss.methods.svr.preview import preview_grid, preview_of
from napari_emgauss.methods.svr.schedule import rounds, schedule
from napari_emgauss.slices import WorldVolume
from napari_emgauss.training import Hook, Preview


@dataclass(frozen=True)
class AllSlices:
    """What every iteration draws and compares."""

    name: str = "loss"
    weight: float = 1.0


class SliceObjective:
    """What the training loop needs.

    Parameters
    ----------
    model
        At its start.
    measured
        The slices.
    config
        Settings.
    frame
        Map (4, 4) from the reconstruction's frame to the world.
    restore
        From the intensities that are fitted to those of the input.
    continued
        Whether the model was fitted before, and only the last rounds are made.
    """

    hooks: Sequence[Hook] = ()
    seed = 0

    def __init__(
        self,
        model: SliceModel,
        measured: Measured,
        config: SvrConfig,
        *,
        frame: AnyArray,
        restore: Callable[[FloatArray], FloatArray],
        continued: bool = False,
    ) -> None:
        self.model, self.measured, self.config, self.frame, self.restore = model, measured, config, frame, restore
        self.schedule = schedule(config, continued=continued)
        self._rounds = rounds(config, continued=continued)
        self._solver = self.solver()

    def solver(self) -> SliceSolver:
        """Return what makes the steps, at its start."""
        unit_mm = max(self.config.voxel_size_mm, self.measured.pixel_mm)
        self._solver = SliceSolver(self.model, self.measured, self.config, self._rounds, unit_mm)
        return self._solver

    def sample(self, iteration: int, rng: np.random.Generator) -> Sequence[AllSlices]:
        """Return all slices: nothing is drawn at random."""
        return [AllSlices()]

    def scores(self) -> Mapping[str, float]:
        """Return the number of Gaussians, the size of the motion, and how many slices count less than half."""
        motion = self.model.motion.numpy()
        return {
            "n_gaussians": float(len(self.model.gaussians)),
            "motion_deg": float(np.rad2deg(np.sqrt(np.mean(np.sum(motion[:, :3] ** 2, 1))))),
            "motion_mm": float(np.sqrt(np.mean(np.sum(motion[:, 3:] ** 2, 1)))),
            "n_excluded": float((self.model.slice_weight < 0.5).sum()),
        }

    def preview(self, wanted: tuple[float, ...] | None) -> Preview | None:
        """Draw all of the volume on a coarse grid along the world's axes; wherever one looks, it is at hand.

        The grid is around where slices were before they moved, so that it stays the same.
        """
        gaussians = self.model.gaussians
        if not len(gaussians):
            return None
        world = self.measured.points(np.zeros(self.model.motion.shape)) @ self.frame[:3, :3].T + self.frame[:3, 3]
        grid = preview_grid(world, self.config.voxel_size_mm)
        affine = np.linalg.inv(self.frame) @ grid.affine
        drawn = draw_grid(gaussians.mean, gaussians.covariance(), gaussians.amplitude.numpy(), affine, grid.shape)
        return preview_of(WorldVolume(self.restore(drawn), grid.affine))

    def values(self) -> dict[str, Any]:
        """Return what hidden slices said, if they were asked."""
        found = {"evidence": self._solver.evidence, "bias_evidence": self._solver.bias_evidence}
        return {name: None if said is None else said.to_json() for name, said in found.items()}
