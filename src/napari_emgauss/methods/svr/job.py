"""Job of a reconstruction from slices: a single block, since every slice crosses all the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.methods.svr.measured import Measured
from napari_emgauss.methods.svr.model import SliceModel
from napari_emgauss.methods.svr.objective import SliceObjective
from napari_emgauss.methods.svr.schedule import STEPS_PER_ROUND
from napari_emgauss.methods.svr.setup import SliceSetup
from napari_emgauss.slices.motion import affines, from_affines
from napari_emgauss.training import BlockTrainer, Store, model_of


@dataclass(frozen=True, eq=False)
class SliceJob:
    """The slices of stacks that were placed, ready to be trained.

    Parameters
    ----------
    setup
        The stacks with their settings.
    placements
        Rigid matrix (4, 4) of each stack, in the world.
    """

    setup: SliceSetup
    placements: Sequence[AnyArray]

    @cached_property
    def measured(self) -> Measured:
        """The slices."""
        return self.setup.measured(self.placements)

    @property
    def n_blocks(self) -> int:
        """One."""
        return 1

    def iterations(self, block: int) -> int:
        """Return the iterations of the schedule."""
        return self.setup.n_iterations

    def nearest(self, blocks: Sequence[int], position: tuple[float, ...] | None) -> int:
        """Return the only block."""
        return blocks[0]

    def build(self, block: int) -> SliceObjective:
        """Build the objective at its start."""
        setup = self.setup
        model = SliceModel(len(self.measured), len(setup.stacks))
        if setup.start is not None:
            self._continue(model)
        elif setup.known_motion is not None:
            self._move(model, np.concatenate(setup.known_motion))
        intensity = np.float32(setup.intensity)

        def restore(image: FloatArray) -> FloatArray:
            return image * intensity

        return SliceObjective(
            model,
            self.measured,
            setup.config,
            frame=setup.frame,
            restore=restore,
            continued=setup.start is not None,
        )

    def learned(self, store: Store) -> tuple[SliceModel, dict[str, Any]]:
        """Return the model in a store; after a stop as far as it came, but at least a coarse one."""
        kept = store.load_done(0)
        if kept is None and (state := store.load_state(0)) is not None:
            kept = model_of(state)
        if kept is None or not len(kept[0]["gaussians.mean"]):
            trainer = BlockTrainer(self.build(0))
            for _ in range(min(STEPS_PER_ROUND, self.setup.n_iterations)):
                trainer.step()
            kept = trainer.result()
        model = SliceModel(len(self.measured), len(self.setup.stacks))
        model.load_state_dict(dict(kept[0]), strict=True)
        return model, kept[1]

    def _continue(self, model: SliceModel) -> None:
        """Give a model the field and the slices' states of the reconstruction that is continued."""
        start = self.setup.start
        assert start is not None
        self._move(model, start.motion)
        model.gain.copy_(torch.from_numpy(start.gains[self.measured.rows]))
        model.slice_weight.copy_(torch.from_numpy(start.weights[self.measured.rows]))
        model.bias.copy_(torch.from_numpy(start.bias))
        model.gaussians = SolidGaussians(start.gaussians.values()).requires_grad_(requires_grad=False)

    def _move(self, model: SliceModel, motion: AnyArray) -> None:
        """Give a model the motion (n, 6), in the world, of all slices of all stacks."""
        stacks, measured = self.setup.stacks, self.measured
        pivots = np.concatenate([stack.pivots for stack in stacks])[measured.rows]
        placed = np.stack([self.placements[own.stack] for own in measured.slices])
        world = affines(np.asarray(motion, np.float64)[measured.rows], pivots) @ np.linalg.inv(placed)
        in_frame = np.linalg.inv(self.setup.frame) @ world @ self.setup.frame
        model.motion.copy_(torch.from_numpy(from_affines(in_frame, measured.pivots)))
