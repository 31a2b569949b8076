"""Choices that images make that were not trained on."""

from __future__ import annotations

from dataclasses import replace

from napari_emgauss.methods.gem.job import GemJob
from napari_emgauss.methods.gem.objective import MapObjective
from napari_emgauss.methods.gem.study import ParticleStudy
from napari_emgauss.training import BlockTrainer, Store, Watch

CHOOSING = "choosing the sign"
RECORD = "amplitudes"


def positive_amplitudes(found: ParticleStudy, store: Store, watch: Watch) -> tuple[bool, dict[str, float]]:
    """Return whether densities are all positive, and the loss on hidden images with and without.

    Where the settings leave it open, the first half is trained both ways as far as its shape goes, and the images of
    the second half decide.
    """
    wanted = found.setup.config.amplitudes
    if wanted != "auto":
        return wanted == "positive", {}
    saved = store.load_record(RECORD)
    if saved is not None:
        return bool(saved[1]["positive"]), dict(saved[1]["losses"])
    losses: dict[str, float] = {}
    iterations = found.setup.config.shape_iterations
    for number, positive in enumerate((True, False)):
        objective = GemJob(_with_few_iterations(found), positive).build(0)
        trainer = BlockTrainer(objective)
        while trainer.iteration < iterations and not watch.held():
            trainer.step()
            watch.tell(CHOOSING, number * iterations + trainer.iteration, 2 * iterations)
        losses["positive" if positive else "signed"] = _loss(objective)
    positive = losses["positive"] <= losses["signed"]
    if not watch.stopped:
        store.save_record(RECORD, {"positive": positive, "losses": losses})
    return positive, losses


def _loss(objective: MapObjective) -> float:
    loss: float = objective.others.loss(objective.model.map()) / objective.n_coefficients
    return loss


def _with_few_iterations(found: ParticleStudy) -> ParticleStudy:
    """The same without the stages that come after the shape, so that rates fall to their ends."""
    config = replace(found.setup.config, likelihood_iterations=0, image_passes=0.0)
    return replace(found, setup=replace(found.setup, config=config))
