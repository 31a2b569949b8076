"""``napari-emgauss reconstruct``: learn a model from a stack."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from napari_emgauss.cli.terminal import INTERRUPTED
from napari_emgauss.errors import ConfigError, JobPausedError
from napari_emgauss.methods.emgauss.presets import PRESET_NOTES, PresetName
from napari_emgauss.runtime.device import DeviceName
from napari_emgauss.units import format_duration

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss import Reconstruction
    from napari_emgauss.volume import Volume


@dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Learn a model from a stack of sections: TIFF, a folder of images, MRC, HDF5 or OME-Zarr.

    Ctrl-C stops and keeps what was learned.
    """

    stack: Positional[Path]
    """The stack."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Model file; by default beside the stack, with the suffix .emgauss."""
    voxel_size_nm: tuple[float, float, float] | None = None
    """Voxel size z y x in nanometres, like 40 4 4; needed where the file does not say."""
    dataset: str | None = None
    """Name of the dataset in an HDF5 file with several."""
    preset: Annotated[PresetName, tyro.conf.arg(help=" ".join(f"{k}: {note}" for k, note in PRESET_NOTES.items()))] = (
        "balanced"
    )
    device: DeviceName = "auto"
    """Where to train; auto takes the GPU if it works."""
    seed: int = 0
    """The same seed gives the same result on the same CPU."""
    hold_out: tuple[int, ...] = ()
    """Sections (counted from 0) to keep from training and score as it goes."""
    leave_out: tuple[int, ...] = ()
    """Damaged sections to ignore, besides those found; they are reconstructed from their neighbours.
    --set leave_out_damaged=false looks for none."""
    checkpoint: Path | None = None
    """Folder for checkpoints; a training found there is continued."""
    workers: int | None = None
    """Processes that share the blocks, on this machine or submitted to --cluster; needs --checkpoint."""
    scheduler: str | None = None
    """Address of a running Dask scheduler, like tcp://node:8786, whose workers share the blocks."""
    cluster: str | None = None
    """Queueing system to submit --workers to by dask-jobqueue: slurm, pbs, sge, lsf, htcondor, oar or moab."""
    export: Path | None = None
    """Also write the isotropic volume: .ome.tif, .ome.zarr or .mrc."""
    keep_models: Literal["yes", "no"] = "yes"
    """no: with --workers and --export to .ome.zarr, write no model. Shards of the volume are drawn as their blocks
    come, and models are dropped that no shard needs any more: for volumes whose models would fill the disk."""
    set: tuple[str, ...] = ()
    """Other settings as name=value, like spacing_px=3 joint=40; docs/guide/settings.md lists those that matter most."""
    overwrite: bool = False
    """Replace existing outputs."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Train on a stack and save the model; 130 when the user stopped it."""
        from napari_emgauss.cli.display import TrainingDisplay, plain_console, stop_on_interrupt
        from napari_emgauss.cli.jobs.display import JobDisplay
        from napari_emgauss.cli.jobs.workers import workers
        from napari_emgauss.cli.outputs import (
            check_outputs,
            check_writable,
            export_volume,
            other_places,
            save_model,
            tell_of_checkpoints,
        )
        from napari_emgauss.cli.settings import parse_settings
        from napari_emgauss.io import read
        from napari_emgauss.io.container import check_model_name
        from napari_emgauss.methods.emgauss import describe_evidence, describe_sections, reconstruct
        from napari_emgauss.methods.emgauss.train import reconstruct_volume
        from napari_emgauss.training import Control, Event, Finished, FinishReason
        from napari_emgauss.training.engines.tasks import FolderControl

        console = plain_console()
        output = self.output or default_output(self.stack)
        if self.export is not None:
            check_writable(self.export)
        shares = not (self.workers is None and self.scheduler is None and self.cluster is None)
        only_volume = self.keep_models == "no"
        if only_volume:
            self._check_only_volume(shares=shares)
        outputs = [path for path in (None if only_volume else output, self.export) if path is not None]
        check_outputs(outputs, inputs=[self.stack], overwrite=self.overwrite)
        if output.is_dir():
            raise IsADirectoryError(f"{output} is a folder; a model is a file. Choose another name.")
        check_model_name(output)
        settings = parse_settings(self.set)
        volume = read(self.stack, voxel_size_nm=self.voxel_size_nm, dataset=self.dataset)
        console.print(volume.describe())
        tell_of_checkpoints(self.checkpoint, console)
        shared = self.checkpoint if shares else None
        control = Control() if shared is None else FolderControl(shared)
        end: list[Finished] = []
        sharing = workers(
            self.workers,
            scheduler=self.scheduler,
            cluster=self.cluster,
            job=self.checkpoint,
            gpu=self.device == "cuda",
        )
        shown = TrainingDisplay(console) if shared is None else JobDisplay(console, shared)
        with sharing as make_engine, shown as display, stop_on_interrupt(control, console):

            def on_event(event: Event) -> None:
                display(event)
                if isinstance(event, Finished):
                    end.append(event)

            options: dict[str, Any] = {
                "preset": self.preset,
                "device": self.device,
                "seed": self.seed,
                "on_event": on_event,
                "control": control,
                "checkpoint": self.checkpoint,
                "make_engine": make_engine,
                "hold_out": self.hold_out,
                "leave_out": self.leave_out,
                **settings,
            }
            try:
                if only_volume:
                    assert self.export is not None
                    reconstruct_volume(volume, self.export, overwrite=self.overwrite, **options)
                else:
                    result = reconstruct(volume, **options)
            except JobPausedError as paused:
                console.print(str(paused))
                return INTERRUPTED
        if only_volume:
            console.print(f"done after {format_duration(end[-1].seconds)}: {self.export}")
            return 0
        stopped = end[-1].reason is FinishReason.STOPPED
        if stopped and not result.record["iterations"]:
            console.print(f"Stopped before anything was learned: no model was written.{self._hint()}")
            return INTERRUPTED
        wanted = stopped_output(output) if stopped and output.exists() else output
        saved = save_model(result, wanted, console, otherwise=other_places(self.checkpoint))
        state = "stopped early, kept" if stopped else "done"
        console.print(f"{state} after {format_duration(end[-1].seconds)}: {result.n_gaussians} Gaussians in {saved}")
        if wanted != output:
            console.print(f"The model in {output} was left as it was.")
        for text in (describe_sections(result.record), describe_evidence(result.record), self._verdict(volume, result)):
            if text:
                console.print(text)
        if self.export is not None and not stopped:
            export_volume(result.lazy(), self.export, overwrite=self.overwrite, console=console)
        else:
            console.print(f"Next: napari-emgauss export {saved} {saved.with_suffix('.ome.tif')}")
        if stopped:
            return INTERRUPTED
        return 0 if saved == output else 1

    def _check_only_volume(self, *, shares: bool) -> None:
        """Raise `ConfigError` unless there are workers to draw the volume, and a volume to draw."""
        if not shares or self.export is None or self.export.suffix.lower() != ".zarr":
            raise ConfigError(
                "--keep-models no draws the volume on workers: add --workers 2 --checkpoint FOLDER and --export "
                "NAME.ome.zarr."
            )
        if self.output is not None:
            raise ConfigError(f"--keep-models no writes no model, got --output {self.output}. Leave one of them out.")

    def _hint(self) -> str:
        return "" if self.checkpoint is None else f" What was found on the sections is in {self.checkpoint}."

    def _verdict(self, volume: Volume, result: Reconstruction) -> str:
        """Say whether the reconstruction pays on the sections held out; if not, how to have the better one."""
        from napari_emgauss.evaluation import held_out_sections, score_held_out

        scores = score_held_out(volume, result) if held_out_sections(result) else None
        if scores is None:
            return ""
        if scores.pays:
            return scores.verdict()
        command = self._interpolation(result, scores.best_plain.method)
        return f"{scores.verdict()}\nPlain interpolation: {command}"

    def _interpolation(self, result: Reconstruction, method: str) -> str:
        """Return what to type for plain interpolation of the same sections."""
        target = self.stack.with_name(f"{without_suffix(self.stack.name)}.interpolated.ome.tif")
        words: list[object] = ["napari-emgauss", "interpolate", self.stack, target, "--method", method]
        if self.voxel_size_nm is not None:
            words += ["--voxel-size-nm", *(f"{size:g}" for size in self.voxel_size_nm)]
        if self.dataset is not None:
            words += ["--dataset", self.dataset]
        if result.config.sections.leave_out:
            words += ["--leave-out", *result.config.sections.leave_out]
        return shlex.join(map(str, words))


def stopped_output(output: Path) -> Path:
    """Return where a model goes whose training was stopped, and which must not replace a finished one."""
    return output.with_name(f"{output.stem}.stopped{output.suffix}")


def default_output(stack: Path) -> Path:
    """Return the path of a model beside its stack; in the current folder, if that is behind a URL."""
    from napari_emgauss.io.location import Url, place_of

    name = f"{without_suffix(stack.name)}.emgauss"
    return Path.cwd() / name if isinstance(place_of(stack), Url) else stack.with_name(name)


def without_suffix(name: str) -> str:
    """Return the name of a stack without what says its format."""
    from napari_emgauss.io import READABLE_SUFFIXES

    for suffix in (*READABLE_SUFFIXES, ".ome"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name
