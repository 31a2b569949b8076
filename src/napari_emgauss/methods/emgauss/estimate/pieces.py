"""Pieces of a stack on which a training is tried."""

from __future__ import annotations

import math

import numpy as np

from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.volume import Volume

TRIAL_VOXELS, TRIAL_SIDE_PX = 400_000, (64, 256)
"""Size of the large piece, and its side."""
TRIAL_SECTIONS = 9
"""Sections of a piece: on the CPU each iteration draws one of them, however many there are."""
SMALL_SIDE = 0.5
"""Side of the small piece, over that of the large one."""


def pieces_of(setup: Setup) -> tuple[Setup, Setup]:
    """Return a small and a large piece from the middle of the stack's first bundle, each as one block.

    Sections stand in for the pseudo-sections between them. The pieces are one where the stack is small.
    """
    block = setup.plan.blocks[0]
    indices, n = setup.sections_of(block), setup.n_anchors(block)
    n = min(n, TRIAL_SECTIONS) if setup.device.type == "cpu" else n
    stand_ins = np.linspace(0, len(indices) - 1, n).round().astype(int)
    large_px = int(np.clip(math.sqrt(TRIAL_VOXELS / n), *TRIAL_SIDE_PX))
    small_px = max(round(SMALL_SIDE * large_px), TRIAL_SIDE_PX[0])
    sections = [indices[k] for k in stand_ins]
    return _piece(setup, sections, small_px), _piece(setup, sections, large_px)


def _piece(setup: Setup, sections: list[int], side_px: int) -> Setup:
    height, width = (min(side, side_px, setup.config.blocks.tile_px) for side in setup.volume.shape[1:])
    y, x = (setup.volume.shape[1] - height) // 2, (setup.volume.shape[2] - width) // 2
    crops = {i: setup.volume.section(i, (y, y + height, x, x + width)) for i in dict.fromkeys(sections)}
    averages = setup.config.teacher.use_teacher and not setup.n_pseudo
    config = setup.config.with_settings(
        hold_out=(),
        leave_out=(),
        bundle_sections=max(setup.config.blocks.bundle_sections, len(sections)),
        **({"teacher": "ema"} if averages else {"use_teacher": False}),
    )
    volume = Volume(np.stack([crops[i] for i in sections]), setup.volume.voxel_size_nm)
    return Setup(volume, config, setup.device, setup.seed)
