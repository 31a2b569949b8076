"""What surrounds the training of the blocks: a look at the sections, teacher, evidence, spacing, and uncertainty."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable
from typing import Any

import torch

from napari_emgauss.interpolation.lateral import gather_evidence
from napari_emgauss.methods.emgauss.examination import KEYS, SectionWatch, examine, tell_damage
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
from napari_emgauss.methods.emgauss.spacing import choose_spacing, with_denser_gaussians
from napari_emgauss.methods.emgauss.teacher import MIN_SECTIONS, Teacher, Watch, train_teacher
from napari_emgauss.methods.emgauss.uncertainty import STAGE as UNCERTAINTY
from napari_emgauss.methods.emgauss.uncertainty import measure_uncertainty
from napari_emgauss.training import CheckpointStore, Control, Event, Progress

LOGGER = logging.getLogger(__name__)


def found_on_sections(
    job: EmgaussJob, control: Control, emit: Callable[[Event], None], store: CheckpointStore | None
) -> dict[str, Any]:
    """What is to be done about single sections: as in the model or checkpoint that is gone on from, or found now.

    After a stop nothing is done.
    """
    if job.start is not None:
        return {key: job.start.record[key] for key in KEYS if key in job.start.record}
    saved = None if store is None else store.load_findings("sections")
    if saved is not None:
        return saved
    found = examine(job.volume, job.config, SectionWatch(control, emit, sum(job.iterations_per_block)))
    if found is None:
        return {}
    tell_damage(found, job.config)
    if store is not None:
        store.save_findings("sections", found)
    return found


def with_teacher(
    job: EmgaussJob, control: Control, emit: Callable[[Event], None], store: CheckpointStore | None
) -> tuple[EmgaussJob, Progress | None]:
    """The job with its teacher, from the checkpoint or trained now, and that training's last progress.

    A stop leaves the job without one.
    """
    if not job.n_pseudo or job.teacher is not None:
        return job, None
    watch = Watch(control, emit, sum(job.iterations_per_block))
    saved = None if store is None else store.load_teacher()
    if saved is not None:
        return dataclasses.replace(job, teacher=Teacher.from_state(*saved), watch=watch), None
    teacher = train_teacher(
        job.studied_sections(), job.volume.factor, steps=job.config.teacher.lateral_steps, seed=job.seed, watch=watch
    )
    if teacher is not None and store is not None:
        store.save_teacher(*teacher.state())
    return dataclasses.replace(job, teacher=teacher, watch=watch), watch.last


def with_evidence(job: EmgaussJob, control: Control) -> EmgaussJob:
    """The job with what hiding sections showed: its teacher's, or that of plain interpolation alone."""
    if job.teacher is not None:
        return dataclasses.replace(job, evidence=job.teacher.evidence)
    wanted = job.config.uncertainty or job.config.model.adapt_spacing
    if not wanted or job.start is not None or len(job.observed) < MIN_SECTIONS or control.stopped:
        return job
    evidence = gather_evidence(job.studied_sections(), None, seed=job.seed, should_stop=control.held)
    return job if control.stopped else dataclasses.replace(job, evidence=evidence)


def with_spacing(job: EmgaussJob, control: Control, store: CheckpointStore | None) -> EmgaussJob:
    """The job with Gaussians as dense as its sections ask for, and bundles short enough for them."""
    config = job.config
    if not config.model.adapt_spacing or job.start is not None:
        return job
    saved = None if store is None else store.load_findings("spacing")
    if saved is not None:
        spacing_px = float(saved["spacing_px"])
    elif job.evidence is None or control.held():
        return job
    else:
        # Those of a teacher from a checkpoint are gone.
        examples = job.evidence.examples or gather_evidence(job.studied_sections(), None, seed=job.seed).examples
        try:
            spacing_px = choose_spacing(config, examples, seed=job.seed, stop=control.held)
        except (MemoryError, torch.cuda.OutOfMemoryError):
            LOGGER.warning("no memory is left to try finer Gaussians; the spacing stays %g px", config.model.spacing_px)
            return job
        if store is not None and not control.stopped:
            store.save_findings("spacing", {"spacing_px": spacing_px})
    return dataclasses.replace(job, config=with_denser_gaussians(config, spacing_px))


def with_uncertainty(job: EmgaussJob, result: Reconstruction, watch: Watch) -> Reconstruction:
    """The reconstruction with a map of its uncertainty; as it is after a stop, which keeps what there is at once."""
    if not job.config.uncertainty or watch.stopped:
        return result
    try:
        tell = functools.partial(watch.tell_others, UNCERTAINTY)
        uncertainty = measure_uncertainty(job, result, held=watch.held, tell=tell)
    except MemoryError:
        LOGGER.warning("no memory is left to map the uncertainty; the model is complete without it")
        return result
    return dataclasses.replace(result, uncertainty_map=uncertainty)
