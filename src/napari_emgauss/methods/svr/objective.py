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
from napari_emgauss.methods.svr.schedule import rounds, schedule
from napari_emgauss.training import Hook, PlanePlacement, Preview

PREVIEW_PX = 160
"""Longest side of a plane of the preview."""


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
        """Draw three orthogonal planes of the world side by side: axial, coronal and sagittal.

        They meet at ``wanted`` (x, y, z in mm), by default in the middle of what was measured.
        """
        gaussians = self.model.gaussians
        if not len(gaussians):
            return None
        world = self.measured.points(self.model.motion.numpy()) @ self.frame[:3, :3].T + self.frame[:3, 3]
        low, high = world.min(0), world.max(0)
        at = (low + high) / 2 if wanted is None else np.array(wanted[:3], np.float64)
        step = max(float((high - low).max()) / PREVIEW_PX, 1e-6)
        images = []
        for normal, row, column in ((2, 1, 0), (1, 2, 0), (0, 2, 1)):
            affine = np.eye(4)
            affine[:3, :3] = 0
            affine[normal, 0], affine[row, 1], affine[column, 2] = step, -step, step
            affine[:3, 3] = low
            affine[normal, 3], affine[row, 3] = at[normal], high[row]
            shape = (1, int((high - low)[row] / step) + 1, int((high - low)[column] / step) + 1)
            there = np.linalg.inv(self.frame) @ affine
            drawn = draw_grid(gaussians.mean, gaussians.covariance(), gaussians.amplitude.numpy(), there, shape)
            images.append(drawn[0])
        rows = max(image.shape[0] for image in images)
        mosaic = np.concatenate([np.pad(image, ((0, rows - len(image)), (0, 2))) for image in images], 1)
        place = PlanePlacement(origin=(float(at[0]), float(at[1]), float(at[2])))
        return Preview(image=self.restore(mosaic), placement=place, label="axial, coronal, sagittal")

    def values(self) -> dict[str, Any]:
        """Return what hidden slices said, if they were asked."""
        evidence = self._solver.evidence
        return {"evidence": None if evidence is None else evidence.to_json()}
