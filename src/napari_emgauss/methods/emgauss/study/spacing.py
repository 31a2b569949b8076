"""Density of Gaussians, chosen by how well they redraw predictions of hidden sections.

A wide grid cannot follow fine detail, which on most tissue removes more noise than signal. Where detail is finer than
that, hidden sections tell: their predictions come nearer to them when redrawn by a finer grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.mixture import HiddenSection
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.model import build_model
from napari_emgauss.methods.emgauss.objective import SectionObjective, SectionTarget
from napari_emgauss.methods.emgauss.schedule import WARM_UP, sections_per_step, solved_per_step
from napari_emgauss.training import BlockTrainer

FINER_PX = (2.5, 1.75, 1.25)
"""Spacings that are tried, one after the other."""
TOLERATED_DB = 0.05
"""Loss against the predictions themselves at which no finer grid is tried."""
NEGLIGIBLE_ERROR = 1e-6
"""Mean squared error that nobody sees, in normalised intensities."""
NEWTON_STEPS, ITERATIONS = 5, 40
"""Most steps, and iterations of descent after them, per redrawn section, however long the training is to be."""
MIN_BUNDLE = 8
CPU = torch.device("cpu")


def choose_spacing(
    config: EmgaussConfig,
    examples: Sequence[HiddenSection],
    *,
    expected_mse: float | None = None,
    seed: int,
    device: torch.device = CPU,
    stop: Callable[[], bool] = lambda: False,
) -> float:
    """Return the configured spacing, or the first finer one that redraws predictions of hidden sections without loss.

    Parameters
    ----------
    config
        Settings of the anchored field.
    examples
        Predictions of hidden sections, and those sections.
    expected_mse
        Mean squared error of predictions at the distance itself, if hidden sections do not tell which detail is right
        there. All that a grid changes in a prediction is then an error more.
    seed
        Of the grids and the order of training.
    device
        Where they are trained.
    stop
        Asked all the time; what is known so far then decides.
    """
    chosen = config.model.spacing_px
    truth = np.stack([example.truth for example in examples])
    images = np.stack([example.prediction for example in examples])

    def error(drawn: FloatArray) -> float:
        if expected_mse is not None:
            return expected_mse + float(np.mean((drawn[: len(images)] - images) ** 2))
        return float(np.mean((drawn[: len(truth)] - truth) ** 2))

    # As good as the predictions themselves: no grid can follow them better.
    enough = max(error(images) * 10 ** (TOLERATED_DB / 10), NEGLIGIBLE_ERROR)

    def least_error(spacing_px: float) -> float:  # descent takes longer, and is for what Newton steps cannot do
        found = math.inf
        for drawn in _redrawn(config, spacing_px, images, seed, device, stop):
            found = error(drawn)
            if found <= enough:
                break
        return found

    least = least_error(chosen)
    for spacing_px in FINER_PX:
        if least <= enough or stop():
            break
        if spacing_px < config.model.spacing_px and (found := least_error(spacing_px)) < least and not stop():
            chosen, least = spacing_px, found
    return chosen


def with_denser_gaussians(config: EmgaussConfig, spacing_px: float) -> EmgaussConfig:
    """Return settings with another spacing, and bundles as much shorter as there are more Gaussians on a section."""
    if spacing_px >= config.model.spacing_px:
        return config
    shortest = max(MIN_BUNDLE, 2 * config.blocks.bundle_overlap + 1)
    sections = round(config.blocks.bundle_sections * (spacing_px / config.model.spacing_px) ** 2)
    return config.with_settings(
        spacing_px=spacing_px, bundle_sections=min(config.blocks.bundle_sections, max(shortest, sections))
    )


def redrawing(
    config: EmgaussConfig,
    spacing_px: float,
    images: FloatArray,
    *,
    seed: int,
    device: torch.device = CPU,
) -> SectionObjective:
    """Return the objective of Gaussians at a spacing on images (n, Y, X), at least two; each has a set of its own."""
    steps = min(config.training.newton_steps, NEWTON_STEPS)
    settings = config.with_settings(
        spacing_px=spacing_px,
        motion="none",
        use_teacher=False,
        newton_steps=steps,
        joint=ITERATIONS,
        warmup=0,
        bootstrap=0,
    )
    z = [float(i) for i in range(len(images))]
    model = build_model(settings, z, images, np.random.default_rng(seed)).to(device)
    return SectionObjective(
        settings,
        model,
        [SectionTarget(i, torch.from_numpy(image).to(device)) for i, image in zip(z, images, strict=True)],
        at_once=sections_per_step(settings, device.type),
        solved_at_once=solved_per_step(images[0].size, device.type),
        restore=lambda drawn: np.asarray(drawn.cpu().numpy()),
        seed=seed,
    )


def _redrawn(
    config: EmgaussConfig,
    spacing_px: float,
    images: FloatArray,
    seed: int,
    device: torch.device,
    stop: Callable[[], bool],
) -> Iterator[FloatArray]:
    """Yield images (n, Y, X) as Gaussians at this spacing draw them: after their Gauss-Newton steps, and at last."""
    images = np.concatenate([images, images[:1]]) if len(images) == 1 else images  # the field is one between sections
    objective = redrawing(config, spacing_px, images, seed=seed, device=device)
    trainer = BlockTrainer(objective)

    def drawn() -> FloatArray:
        return np.stack([objective.restore(objective.model.render(float(i))) for i in range(len(images))])

    solved = objective.schedule.start_of(WARM_UP)
    while not trainer.done and not stop():
        trainer.step()
        if trainer.iteration == solved:
            yield drawn()
    yield drawn()
