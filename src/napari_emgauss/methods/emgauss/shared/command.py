"""The command line that trains on a stack as a job: at its beginning, and from its folder to go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_emgauss.errors import ConfigError
from napari_emgauss.io import SourceRef
from napari_emgauss.methods.emgauss.config import inert
from napari_emgauss.methods.emgauss.presets import preset
from napari_emgauss.methods.emgauss.shared.opening import config_of, described_job, options_of

MODEL = "model.emgauss"
"""Name of the model, in the job's folder."""
_SECTIONS = ("hold_out", "leave_out")


def command(source: SourceRef, folder: Path, *, workers: int, **arguments: Any) -> list[str]:
    """Return the arguments of ``napari-emgauss`` that train on a stack in a folder, and write the model there.

    Parameters
    ----------
    source
        The stack.
    folder
        The job's, which may be new.
    workers
        Processes of this machine.
    **arguments
        Preset, device, seed and settings, as for `reconstruct`.

    Raises
    ------
    ConfigError
        An unknown preset or setting, a value out of range, or settings that cannot act together.
    """
    given = dict(arguments)
    name, device, seed = given.pop("preset", "balanced"), given.pop("device", "auto"), given.pop("seed", 0)
    preset(name, **given)
    words: list[object] = ["reconstruct", source.path, "-o", folder / MODEL, "--checkpoint", folder]
    words += ["--workers", workers, "--preset", name, "--device", device, "--seed", seed]
    if source.voxel_size_nm is not None:
        words += ["--voxel-size-nm", *(repr(float(size)) for size in source.voxel_size_nm)]
    if source.dataset is not None:
        words += ["--dataset", source.dataset]
    for option in _SECTIONS:
        if sections := given.pop(option, ()):
            words += [f"--{option.replace('_', '-')}", *sections]
    if given:
        words += ["--set", *(f"{setting}={value}" for setting, value in given.items())]
    return [str(word) for word in words]


def command_to_go_on(folder: Path, *, workers: int) -> list[str]:
    """Return the arguments that go on with the training in a folder, whoever began it.

    Raises
    ------
    FileFormatError, ConfigError
        The folder holds no training of a stack, or one that cannot be gone on with by another process.
    """
    description = described_job(folder)
    (device, seed, name), config = options_of(description), config_of(description)
    usual, values = preset(name).flat(), config.flat()
    without_effect = inert(values)
    changed: Mapping[str, Any] = {
        k: v for k, v in values.items() if k not in without_effect and (k not in usual or usual[k] != v)
    }
    if preset(name, **changed) != config:
        raise ConfigError(
            f"the settings of {folder} cannot be given on a command line: they do not follow from the preset {name!r}. "
            "Continue it with the command that began it."
        )
    source = SourceRef.from_json(description.source or {})
    return command(source, folder, workers=workers, preset=name, device=device, seed=seed, **changed)
