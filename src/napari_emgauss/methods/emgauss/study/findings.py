"""Study of a stack: what its own sections teach before any Gaussian is trained."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from napari_emgauss.errors import ConfigError
from napari_emgauss.interpolation.mixture import Learned, MixtureEvidence, gather_evidence
from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.methods.emgauss.study.places import studied_stacks
from napari_emgauss.methods.emgauss.study.spacing import choose_spacing
from napari_emgauss.methods.emgauss.study.teacher import MixtureTeacher, train_teacher
from napari_emgauss.runtime.memory import is_out_of_memory
from napari_emgauss.training import Store, Watch

LOGGER = logging.getLogger(__name__)
TEACHER, SPACING = "teacher", "spacing"
"""Records of what was found."""


@dataclass(frozen=True)
class Study:
    """Findings of a study; what was not wanted, not possible or stopped is None."""

    teacher: MixtureTeacher | None = None
    """Source of pseudo-sections."""
    evidence: MixtureEvidence | None = None
    """What hiding sections showed."""
    spacing_px: float | None = None
    """Distance between Gaussians, where hidden sections were asked."""


def study(setup: Setup, watch: Watch, store: Store) -> Study:
    """Train a teacher, gather evidence and choose the spacing, as far as the settings want it.

    What ``store`` holds is taken from there; what is found is kept there.
    """
    teacher = _teacher(setup, watch, store)
    evidence = _evidence(setup, watch) if teacher is None else teacher.evidence
    return Study(teacher, evidence, _spacing(setup, teacher, evidence, watch, store))


def study_before(setup: Setup, store: Store) -> Study:
    """Return what training needs of a `study` that another process made.

    Raises
    ------
    ConfigError
        The stack was not studied yet.
    """
    teacher, spacing = store.load_record(TEACHER), store.load_record(SPACING)
    if (setup.n_pseudo and teacher is None) or (
        setup.config.model.adapt_spacing and setup.can_hide and spacing is None
    ):
        raise ConfigError("the stack was not studied yet. Let the process that began the job come so far.")
    return Study(
        teacher=None if teacher is None else MixtureTeacher.from_state(*teacher, setup.device),
        spacing_px=None if spacing is None else float(spacing[1]["spacing_px"]),
    )


def _teacher(setup: Setup, watch: Watch, store: Store) -> MixtureTeacher | None:
    """The teacher, from the store or trained now; None where it cannot teach, or when stopped."""
    if not setup.n_pseudo:
        return None
    saved = store.load_record(TEACHER)
    if saved is not None:
        return MixtureTeacher.from_state(*saved, setup.device)
    teacher = train_teacher(studied_stacks(setup), setup, watch)
    if teacher is not None:
        tensors, values = teacher.state()
        store.save_record(TEACHER, values, tensors)
    return teacher


def _evidence(setup: Setup, watch: Watch) -> MixtureEvidence | None:
    """What hiding sections says of plain interpolation alone."""
    wanted = setup.config.uncertainty or setup.config.model.adapt_spacing
    if not wanted or setup.start is not None or not setup.can_hide or watch.stopped:
        return None
    evidence = gather_evidence(studied_stacks(setup), seed=setup.seed, should_stop=watch.held)
    return None if watch.stopped else evidence


def _spacing(
    setup: Setup, teacher: MixtureTeacher | None, evidence: MixtureEvidence | None, watch: Watch, store: Store
) -> float | None:
    """Spacing of Gaussians as dense as the sections ask for."""
    if not setup.config.model.adapt_spacing or setup.start is not None:
        return None
    saved = store.load_record(SPACING)
    if saved is not None:
        return float(saved[1]["spacing_px"])
    if evidence is None or not evidence.n_hidden or watch.held():
        return None
    examples = evidence.examples
    if not examples:  # a teacher's in a checkpoint are not kept: they are made again
        learned = Learned() if teacher is None else teacher.learned
        examples = gather_evidence(studied_stacks(setup), learned, seed=setup.seed, should_stop=watch.held).examples
    try:
        spacing_px = choose_spacing(
            setup.config,
            examples,
            expected_mse=evidence.expected_mse,
            seed=setup.seed,
            device=setup.device,
            stop=watch.held,
        )
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        own = setup.config.model.spacing_px
        LOGGER.warning("no memory is left to try finer Gaussians; the spacing stays %g px", own)
        spacing_px = own
    if not watch.stopped:
        store.save_record(SPACING, {"spacing_px": spacing_px})
    return spacing_px
