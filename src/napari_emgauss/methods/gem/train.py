"""Training of GEM on particles: sum the images, choose the Gaussians, train both halves, assemble."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_emgauss._version import __version__
from napari_emgauss.forward.backprojection.map_estimate import shell_factors
from napari_emgauss.io.store import opened_store
from napari_emgauss.methods.gem.draft import MapDraft
from napari_emgauss.methods.gem.evidence import chosen_gaussians
from napari_emgauss.methods.gem.job import GemJob
from napari_emgauss.methods.gem.objective import gem_schedule
from napari_emgauss.methods.gem.reconstruction import GaussianMap
from napari_emgauss.methods.gem.refinement.rounds import refine_views
from napari_emgauss.methods.gem.setup import GemSetup, prepare
from napari_emgauss.methods.gem.study import describe_study, study
from napari_emgauss.particles import Particles
from napari_emgauss.runtime.torch_threads import one_torch_thread
from napari_emgauss.training import (
    Control,
    Event,
    Improved,
    LocalEngine,
    RunConfig,
    Store,
    Watch,
    noted,
    told_last,
)


def reconstruct_particles(
    particles: Particles,
    *,
    seed: int = 0,
    on_event: Callable[[Event], None] | None = None,
    control: Control | None = None,
    checkpoint: str | Path | None = None,
    run_config: RunConfig | None = None,
    **settings: Any,
) -> GaussianMap:
    """Reconstruct the density map of a molecule from its particles, as 3D Gaussians.

    Parameters
    ----------
    particles
        Particles with known poses; see `read_particles`.
    seed
        Same seed, same machine: same result.
    on_event
        Gets every `Progress`, `Preview`, `Notice` and the one `Finished`, in the calling thread.
    control
        Pause, resume and stop from another thread; a stop keeps what was learned.
    checkpoint
        Folder for checkpoints. If it holds one of the same particles and settings, training continues from it.
    run_config
        Intervals of reports and checkpoints.
    **settings
        Any setting of `GemConfig`, by its name.

    Raises
    ------
    ConfigError, ParticlesError, FileFormatError, OutOfMemoryError
        With the value received, the rule and the remedy.
    RuntimeError
        It was stopped before the images had been summed: there is nothing to keep.
    """
    setup = prepare(particles, seed=seed, **settings)
    return train(setup, on_event=on_event, control=control, checkpoint=checkpoint, run_config=run_config)


def train(
    setup: GemSetup,
    *,
    on_event: Callable[[Event], None] | None = None,
    on_draft: Callable[[MapDraft], None] | None = None,
    control: Control | None = None,
    checkpoint: str | Path | None = None,
    run_config: RunConfig | None = None,
) -> GaussianMap:
    """Train on prepared particles; see `reconstruct_particles`."""
    draft = MapDraft(setup.particles)
    if on_draft is not None:
        on_draft(draft)
    with (
        told_last(on_event) as emit,
        opened_store(checkpoint, lambda: setup.fingerprint, warn=noted(emit)) as store,
        one_torch_thread(),
    ):
        return _steps(setup, draft, control or Control(), emit, store, run_config)


def _steps(
    setup: GemSetup,
    draft: MapDraft,
    control: Control,
    emit: Callable[[Event], None],
    store: Store,
    run_config: RunConfig | None,
) -> GaussianMap:
    watch = Watch(control, emit, 2 * sum_of_iterations(setup))
    found = study(setup, watch)
    if found is None:
        raise RuntimeError("stopped before the images were read once: nothing was learned that could be kept.")
    draft.begin(found.setup.particles, found.wiener, found.plain_halves)
    emit(Improved())
    refinement = refine_views(found, store, watch)
    if refinement.changes is not None:
        found = refinement.found
        draft.begin(found.setup.particles, found.wiener, found.plain_halves)
        emit(Improved())
    choice = chosen_gaussians(found, store, watch)
    job = GemJob(found, choice.positive, choice.share, draft)
    LocalEngine(run_config, watch.so_far()).run(job, store, control, watch.pass_on)
    record = {
        "program": f"napari-emgauss {__version__}",
        "source": setup.particles.source,
        "seed": setup.seed,
        **describe_study(found),
        "amplitudes": "positive" if choice.positive else "signed",
        "loss_of_hidden_images": choice.losses,
        "views": refinement.about,
        "halves_trained": sum(store.is_done(block) for block in (0, 1)),
    }
    return assemble(job, store, record, refinement.changes)


def sum_of_iterations(setup: GemSetup) -> int:
    """Return the iterations of one half."""
    return gem_schedule(setup.config, len(setup.halves[0])).total


def assemble(
    job: GemJob, store: Store, record: dict[str, Any], view_changes: npt.NDArray[np.float64] | None = None
) -> GaussianMap:
    """Return the map from what both halves have learned."""
    found, setup = job.found, job.found.setup
    models = job.model(0, store), job.model(1, store)
    factors, n_sources = np.zeros((2, setup.box_px // 2 + 1)), 2 if setup.config.mix_voxels else 1
    first, second = ([models[i].map(), found.targets[i]][:n_sources] for i in (0, 1))
    factors[:n_sources] = shell_factors(first, second, found.equations)
    halves = np.zeros(len(setup.particles), np.int64)
    halves[setup.halves[1]] = 1
    return GaussianMap(
        pixel_size_angstrom=setup.pixel_size_angstrom,
        config=setup.config,
        models=models,
        factors=factors,
        plain=found.plain_halves,
        voxels=found.targets,
        halves=halves,
        view_changes=view_changes,
        record=record,
    )
