"""A training that other processes work on: described in its folder, and opened again from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from napari_emgauss.blocks import Plan
from napari_emgauss.errors import ConfigError, FileFormatError
from napari_emgauss.io import SourceRef
from napari_emgauss.io.jobs import JobDescription, read_description
from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.draft import Draft
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.reconstruction import METHOD
from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.methods.emgauss.shared.volume import VolumeInBoxes
from napari_emgauss.methods.emgauss.study import examined_before, study_before
from napari_emgauss.runtime.device import choose_device
from napari_emgauss.training import OpenedJob, Store

TILES = "tiles"
"""Record of the smaller tiles that a run needed."""


def check_shareable(setup: Setup) -> None:
    """Raise `ConfigError` unless other processes can read the stack, and begin from what its settings say."""
    if not isinstance(setup.volume.source, SourceRef):
        raise ConfigError(
            "workers read the stack by themselves, and this one is in the memory of one process. Write it to a file, "
            "for example as .ome.zarr, and read it from there."
        )
    if setup.start is not None:
        raise ConfigError("a model's training continues in one process only. Leave the workers out.")


def describe(setup: Setup, store: Store, plan: Plan | None = None) -> None:
    """Say in the store of what the training is, and into which blocks the stack is cut once that is known.

    Raises
    ------
    FileFormatError
        It keeps another training.
    """
    if not store.durable:
        return
    source = setup.volume.source
    sharable = isinstance(source, SourceRef) and setup.start is None
    store.describe(
        JobDescription(
            method=METHOD,
            fingerprint=setup.fingerprint,
            settings={
                "config": setup.config.to_json(),
                "device": setup.device.type,
                "seed": setup.seed,
                "preset": setup.preset,
            },
            source=source.to_json() if isinstance(source, SourceRef) and sharable else None,
            spans=() if plan is None else (plan.z, plan.y, plan.x),
        )
    )


def open_job(folder: Path) -> OpenedJob:
    """Open the training in a folder, to train its blocks.

    Raises
    ------
    FileFormatError
        The folder holds none, or its stack is no longer what it was.
    ConfigError
        It is not ready: sections were not examined yet, or its stack cannot be read by others.
    FileNotFoundError, VolumeError, BackendUnavailableError
        The stack, or the device, is not there.
    """
    job, store, _ = _opened(folder, choose_device)
    return OpenedJob(job, store, job.setup.computing, lambda: VolumeInBoxes.resume(job, store))


def open_draft(folder: Path) -> Draft:
    """Open what can be drawn of the training in a folder: blocks that are done by now, the others by interpolation.

    Raises
    ------
    FileFormatError, ConfigError, FileNotFoundError, VolumeError
        As `open_job`; a GPU is not needed.
    """
    job, store, setup = _opened(folder, lambda name: torch.device("cpu"))
    draft = Draft(setup, store)
    draft.examined(job.setup)
    draft.planned(job.setup)
    return draft


def described_job(folder: Path) -> JobDescription:
    """Return what the training of a stack in a folder is of, if other processes can open it.

    Raises
    ------
    FileFormatError
        The folder holds none.
    ConfigError
        Its stack cannot be read by others.
    """
    description = read_description(folder)
    if description is None or description.method != METHOD:
        raise FileFormatError(f"{folder} holds no training of a stack. Name the folder of one.")
    if description.source is None:
        raise ConfigError(f"the stack of {folder} was in the memory of one process. Write it to a file, and read that.")
    return description


def config_of(description: JobDescription) -> EmgaussConfig:
    """Return the settings of a training; raises `FileFormatError` where they are not usable."""
    try:
        return EmgaussConfig.from_json(description.settings["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"the settings in job.json are not usable: {error}") from error


def _opened(folder: Path, device: Callable[[str], torch.device]) -> tuple[EmgaussJob, JobFolder, Setup]:
    """Return a job, its folder, and the setup that its stack had before it was examined."""
    description = described_job(folder)
    if not description.n_blocks:
        raise ConfigError(
            f"the stack of {folder} is not studied yet. Let the process that began it come so far, or run "
            "napari-emgauss reconstruct with this folder again."
        )
    setup = _prepared(description, device)
    if setup.fingerprint != description.fingerprint:
        path = (description.source or {}).get("path")
        raise FileFormatError(
            f"the stack at {path} is not what it was when {folder} was begun, or this machine has another under this "
            "name. Bring it back."
        )
    store = JobFolder(folder, description.fingerprint, keeps_unwritten=False)
    examined = examined_before(setup, store)
    job = EmgaussJob.of(as_begun(examined.setup, store), study_before(examined.setup, store))
    if (job.setup.plan.z, job.setup.plan.y, job.setup.plan.x) != description.spans:
        raise FileFormatError(f"the findings in {folder} do not fit its plan of blocks. Delete it to start anew.")
    return job, store, setup


def as_begun(setup: Setup, store: Store) -> Setup:
    """Return the stack with the smaller tiles that an earlier run needed, if it did."""
    saved = store.load_record(TILES)
    if saved is None:
        return setup
    return replace(setup, config=setup.config.with_settings(tile_px=int(saved[1]["tile_px"])))


def _prepared(description: JobDescription, device: Callable[[str], torch.device]) -> Setup:
    config, (name, seed, preset) = config_of(description), options_of(description)
    volume = SourceRef.from_json(description.source or {}).open()
    return Setup(volume, config, device(name), seed, preset, None, volume)


def options_of(description: JobDescription) -> tuple[str, int, str]:
    """Return device, seed and preset of a training; raises `FileFormatError` where they are not usable."""
    settings = description.settings
    try:
        device, seed, preset = str(settings["device"]), int(settings["seed"]), str(settings["preset"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"the settings in job.json are not usable: {error}") from error
    if device not in ("cpu", "cuda"):
        raise FileFormatError(f"the device in job.json must be cpu or cuda, got {device!r}.")
    return device, seed, preset
