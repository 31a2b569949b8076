"""Choices that images make that were not trained on: the sign of densities, and how many Gaussians there are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from napari_emgauss.methods.gem.job import GemJob
from napari_emgauss.methods.gem.objective import MapObjective
from napari_emgauss.methods.gem.study import ParticleStudy
from napari_emgauss.training import BlockTrainer, Store, Watch

CHOOSING = "choosing sign and number"
RECORD = "gaussians"
SHARES = (0.5, 1.0, 0.25)
"""Parts of the number that filled voxels ask for; signs are compared with the first."""


@dataclass(frozen=True)
class GaussianChoice:
    """What Gaussians a training begins with."""

    positive: bool
    """Whether densities are all positive."""
    share: float = 1.0
    """Part of the number that the voxels ask for which the molecule fills."""
    losses: dict[str, float] = field(default_factory=dict)
    """On hidden images, by what was tried; empty where the settings left nothing open."""


def chosen_gaussians(found: ParticleStudy, store: Store, watch: Watch) -> GaussianChoice:
    """Return what Gaussians explain hidden images best, where the settings leave it open.

    The first half is trained with each choice as far as its shape goes, and the images of the second half decide: first
    on the sign, then, of that sign, on their number.
    """
    config = found.setup.config
    saved = store.load_record(RECORD)
    if saved is not None:
        return GaussianChoice(**saved[1])
    shares = SHARES if not config.n_gaussians else (1.0,)
    signs = (True, False) if config.amplitudes == "auto" else (config.amplitudes == "positive",)
    tried: dict[tuple[bool, float], float] = {}
    n_trials = len(signs) + len(shares) - 1
    if n_trials == 1:
        return GaussianChoice(signs[0])
    for positive in signs:
        tried[positive, shares[0]] = _loss(found, positive, shares[0], watch, len(tried), n_trials)
    best = min(tried, key=lambda choice: tried[choice])[0]
    for share in shares[1:]:
        tried[best, share] = _loss(found, best, share, watch, len(tried), n_trials)
    positive, share = min(tried, key=lambda choice: tried[choice])
    losses = {f"{'positive' if sign else 'signed'}, {part:g}": loss for (sign, part), loss in tried.items()}
    choice = GaussianChoice(positive, share, losses)
    if not watch.stopped:
        store.save_record(RECORD, asdict(choice))
    return choice


def _loss(found: ParticleStudy, positive: bool, share: float, watch: Watch, number: int, n_trials: int) -> float:
    """Loss of the second half's images on Gaussians that were trained on the first half's."""
    objective: MapObjective = GemJob(_with_few_iterations(found), positive, share).build(0)
    trainer, iterations = BlockTrainer(objective), found.setup.config.shape_iterations
    while trainer.iteration < iterations and not watch.held():
        trainer.step()
        watch.tell(CHOOSING, number * iterations + trainer.iteration, n_trials * iterations)
    return objective.others.loss(objective.model.map()) / objective.n_coefficients


def _with_few_iterations(found: ParticleStudy) -> ParticleStudy:
    """The same without the stages that come after the shape, so that rates fall to their ends."""
    config = replace(found.setup.config, likelihood_iterations=0, image_passes=0.0)
    return replace(found, setup=replace(found.setup, config=config))
