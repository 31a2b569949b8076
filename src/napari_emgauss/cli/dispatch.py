"""Dispatch of the commands, and their exit codes.

What a command needs is imported when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, TextIO, cast

import tyro
from rich.console import Console

from napari_emgauss.cli.demo import Demo
from napari_emgauss.cli.doctor import Doctor
from napari_emgauss.cli.estimate import EstimateCommand
from napari_emgauss.cli.evaluate import Evaluate, EvaluateSlices
from napari_emgauss.cli.export import Export
from napari_emgauss.cli.gem import GemCommand
from napari_emgauss.cli.interpolate import Interpolate
from napari_emgauss.cli.jobs.command import JobCommand
from napari_emgauss.cli.reconstruct import Reconstruct
from napari_emgauss.cli.render import Render
from napari_emgauss.cli.svr import SvrCommand
from napari_emgauss.cli.terminal import INTERRUPTED, Output, printable

OK, FAILED, USAGE = 0, 1, 2

Command = (
    Annotated[Reconstruct, tyro.conf.subcommand("reconstruct")]
    | Annotated[SvrCommand, tyro.conf.subcommand("svr")]
    | Annotated[GemCommand, tyro.conf.subcommand("gem")]
    | Annotated[JobCommand, tyro.conf.subcommand("job")]
    | Annotated[Render, tyro.conf.subcommand("render")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Interpolate, tyro.conf.subcommand("interpolate")]
    | Annotated[EstimateCommand, tyro.conf.subcommand("estimate")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[EvaluateSlices, tyro.conf.subcommand("evaluate-slices")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)

DESCRIPTION = (
    "Planes become a volume, by Gaussians: isotropic volumes from volume-EM stacks (reconstruct), one volume from "
    "stacks of thick, moving slices (svr), density maps from cryo-EM particles (gem)."
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code, as `napari_emgauss.cli.main` says."""
    errors = Console(file=cast("TextIO", Output("stderr")), soft_wrap=True, highlight=False)
    try:
        command = tyro.cli(
            Command,
            prog="napari-emgauss",
            description=DESCRIPTION,
            args=None if arguments is None else list(arguments),
            config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
        )
    except SystemExit as end:
        return OK if end.code in (0, None) else USAGE
    from napari_emgauss.io import WriteCancelled, WritePaused
    from napari_emgauss.runtime.memory import spare_address_space

    spare_address_space()
    try:
        return command.run()
    except WritePaused as paused:
        errors.print(_plain(paused))
        return INTERRUPTED
    except (KeyboardInterrupt, WriteCancelled) as interrupt:
        told = _plain(interrupt) if isinstance(interrupt, KeyboardInterrupt) and interrupt.args else ""
        errors.print(told or "Interrupted; nothing half-written was left behind.")
        return INTERRUPTED
    except (ValueError, OSError, RuntimeError, MemoryError, FloatingPointError) as error:
        if "--debug" in (sys.argv if arguments is None else arguments):
            raise
        errors.print(f"[bold red]Error:[/] {_explained(error)}", markup=True)
        return FAILED


def _explained(error: BaseException) -> str:
    """Return the message of ``error`` as it may be printed; libraries' words for want of memory are explained."""
    from napari_emgauss import errors as own
    from napari_emgauss.runtime.memory import is_out_of_memory

    if is_out_of_memory(error) and type(error).__module__ != own.__name__:
        return f"out of memory ({_plain(error)}). Try a part of the stack or smaller tiles, or close other programs."
    return _plain(error)


def _plain(error: BaseException) -> str:
    """Return the message of ``error`` as it may be printed: no control characters, rich's markup brackets escaped."""
    return printable(str(error) or type(error).__name__).replace("[", r"\[")
