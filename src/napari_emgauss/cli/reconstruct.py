"""``napari-emgauss reconstruct``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from napari_emgauss.cli.commands import Reconstruct
from napari_emgauss.cli.output import check_writable, export_volume, refuse_existing
from napari_emgauss.cli.progress import TrainingDisplay, stop_on_interrupt
from napari_emgauss.cli.settings import parse_settings
from napari_emgauss.io import READABLE_SUFFIXES, read
from napari_emgauss.training import Control, Event, Finished, FinishReason
from napari_emgauss.units import format_duration
from napari_emgauss.volume import Volume

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss import Reconstruction


def run(options: Reconstruct) -> int:
    """Train on a stack and save the model; 130 when the user stopped it."""
    from napari_emgauss.methods.emgauss import describe_evidence, describe_sections, reconstruct

    console = Console(highlight=False, soft_wrap=True, markup=False)
    output = options.output or default_output(options.stack)
    refuse_existing([path for path in (output, options.export) if path is not None], overwrite=options.overwrite)
    if options.export is not None:
        check_writable(options.export)
    settings = parse_settings(options.set)
    volume = read(options.stack, voxel_size_nm=options.voxel_size_nm, dataset=options.dataset)
    console.print(volume.describe())
    if options.checkpoint is not None and options.checkpoint.is_dir() and any(options.checkpoint.iterdir()):
        console.print(f"Continuing from the checkpoints in {options.checkpoint}.")
    control = Control()
    end: list[Finished] = []
    with TrainingDisplay(console) as display, stop_on_interrupt(control, console):

        def on_event(event: Event) -> None:
            display(event)
            if isinstance(event, Finished):
                end.append(event)

        result = reconstruct(
            volume,
            preset=options.preset,
            device=options.device,
            seed=options.seed,
            on_event=on_event,
            control=control,
            checkpoint=options.checkpoint,
            hold_out=options.hold_out,
            leave_out=options.leave_out,
            **settings,
        )
    result.save(output)
    stopped = end[-1].reason is FinishReason.STOPPED
    state = "stopped early, kept" if stopped else "done"
    console.print(f"{state} after {format_duration(end[-1].seconds)}: {result.n_gaussians} Gaussians in {output}")
    for text in (describe_sections(result.record), describe_evidence(result.record)):
        if text:
            console.print(text)
    judge(volume, result, options, console)
    if options.export is not None and not stopped:
        export_volume(result.lazy(), options.export, overwrite=options.overwrite, console=console)
    else:
        console.print(f"Next: napari-emgauss export {output} {output.with_suffix('.ome.tif')}")
    return 130 if stopped else 0


def judge(volume: Volume, result: Reconstruction, options: Reconstruct, console: Console) -> None:
    """Say whether the reconstruction pays on the sections held out; if not, how to have the better one."""
    from napari_emgauss.evaluation import held_out_sections, score_held_out

    if not held_out_sections(result):
        return
    scores = score_held_out(volume, result)
    if scores is None:
        return
    console.print(scores.verdict())
    if not scores.pays:
        console.print(f"Plain interpolation: {interpolation_command(options, result, scores.best_plain.method)}")


def interpolation_command(options: Reconstruct, result: Reconstruction, method: str) -> str:
    """What to type for plain interpolation of the same sections."""
    stack = options.stack
    target = stack.with_name(f"{without_suffix(stack.name)}.interpolated.ome.tif")
    words: list[object] = ["napari-emgauss", "interpolate", stack, target, "--method", method]
    if options.voxel_size_nm is not None:
        words += ["--voxel-size-nm", *(f"{size:g}" for size in options.voxel_size_nm)]
    if options.dataset is not None:
        words += ["--dataset", options.dataset]
    if result.config.sections.leave_out:
        words += ["--leave-out", *result.config.sections.leave_out]
    return shlex.join(map(str, words))


def default_output(stack: Path) -> Path:
    """The model beside the stack."""
    return stack.with_name(f"{without_suffix(stack.name)}.emgauss")


def without_suffix(name: str) -> str:
    """Name of a stack without what says its format."""
    for suffix in (*READABLE_SUFFIXES, ".ome"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name
