"""``napari-emgauss svr``: one volume from stacks of thick, moving slices."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import tyro
from tyro.conf import Positional

from napari_emgauss.cli.terminal import INTERRUPTED
from napari_emgauss.errors import ConfigError
from napari_emgauss.units import format_duration

if TYPE_CHECKING:
    from rich.console import Console

    from napari_emgauss.methods.svr import SliceReconstruction
    from napari_emgauss.slices import SliceStack


OPTIONS = ("voxel_size_mm", "profile", "thickness_mm", "checkpoint")
"""Settings that are options of the command."""
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class SvrCommand:
    """Reconstruct one sharp volume from stacks of thick slices that moved, as in fetal MRI.

    The first stack is the reference: the result lies where it lies, and has its intensities. Ctrl-C stops and keeps
    what was learned.
    """

    stacks: Positional[tuple[Path, ...]]
    """Stacks (.nii, .nii.gz), of any orientation; a folder may hold the slices of one stack."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Volume to write: .nii or .nii.gz, in the world of the stacks."""
    masks: tuple[Path, ...] = ()
    """What belongs to the object: a mask for each stack, in the same order, or one for all. On any grid."""
    thickness_mm: tuple[float, ...] = ()
    """Thickness of the slices: one for all, or one for each stack. By default that of a JSON file beside the stack, or
    the spacing of the slices."""
    voxel_size_mm: float | None = None
    """Size of the result's voxels; the spacing of the first stack's pixels by default."""
    profile: Literal["mri", "box"] = "mri"
    """How a slice weighs what lies in its thickness: mri, a Gaussian as wide as it is thick; box, all alike."""
    model: Path | None = None
    """Also save the model (.emgauss), which can be drawn at any resolution and trained on."""
    checkpoint: Path | None = None
    """Folder for checkpoints; a training found there is continued."""
    set: tuple[str, ...] = ()
    """Other settings as name=value, like smoothness=0.005 motion=false."""
    overwrite: bool = False
    """Replace existing outputs."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Reconstruct a volume and write it; 130 when the user stopped it."""
        from napari_emgauss.cli.display import TrainingDisplay, plain_console, stop_on_interrupt
        from napari_emgauss.cli.outputs import check_outputs, tell_of_checkpoints, write_with_model
        from napari_emgauss.cli.reconstruct import stopped_output
        from napari_emgauss.cli.settings import parse_settings
        from napari_emgauss.io.container import check_model_name
        from napari_emgauss.io.stacks import write_world_volume
        from napari_emgauss.io.stacks.nifti import checked_target
        from napari_emgauss.methods.svr import SvrConfig, reconstruct_slices
        from napari_emgauss.settings import fields_of
        from napari_emgauss.training import Control, Event, Finished, FinishReason

        console = plain_console()
        checked_target(self.output)
        if self.model is not None:
            check_model_name(self.model)
        outputs = [path for path in (self.output, self.model) if path is not None]
        check_outputs(outputs, inputs=[*self.stacks, *self.masks], overwrite=self.overwrite)
        settings = parse_settings(self.set, fields=fields_of(SvrConfig), options=OPTIONS)
        stacks = self._read(console)
        size = self.voxel_size_mm or float(stacks[0].spacing_mm[1:].min())
        tell_of_checkpoints(self.checkpoint, console)
        control = Control()
        end: list[Finished] = []
        with TrainingDisplay(console) as display, stop_on_interrupt(control, console):

            def on_event(event: Event) -> None:
                display(event)
                if isinstance(event, Finished):
                    end.append(event)

            result = reconstruct_slices(
                stacks,
                on_event=on_event,
                control=control,
                checkpoint=self.checkpoint,
                voxel_size_mm=size,
                profile=self.profile,
                **settings,
            )
        stopped = end[-1].reason is FinishReason.STOPPED
        output = stopped_beside(self.output) if stopped and self.output.exists() else self.output
        model = stopped_output(self.model) if self.model and stopped and self.model.exists() else self.model
        whole = write_with_model(
            lambda path: write_world_volume(result.volume(), path, overwrite=True),
            result,
            output,
            model,
            console,
            checkpoint=self.checkpoint,
        )
        state = "stopped early, kept" if stopped else "done"
        z, y, x = result.grid.shape
        took = format_duration(end[-1].seconds)
        console.print(f"{state} after {took}: {z} × {y} × {x} voxels of {size:.3g} mm in {output}")
        if output != self.output:
            console.print(f"The volume in {self.output} was left as it was.")
        if model != self.model and whole:
            console.print(f"The model in {self.model} was left as it was; this one is in {model}.")
        console.print(describe_motion(result))
        return INTERRUPTED if stopped else int(not whole)

    def _read(self, console: Console) -> list[SliceStack]:
        """Read the stacks with their masks, and say what they are."""
        from napari_emgauss.io.stacks import check_order_of_masks, read_stack

        if not self.stacks:
            raise ConfigError(
                "no stacks were given. Name their files: svr axial.nii.gz coronal.nii.gz -o volume.nii.gz."
            )
        masks = spread(self.masks, len(self.stacks), "masks")
        thicknesses = spread(self.thickness_mm, len(self.stacks), "thickness-mm")
        stacks = []
        for path, mask, thickness_mm in zip(self.stacks, masks, thicknesses, strict=True):
            with said_as_notes(console):
                stacks.append(read_stack(path, mask=mask, thickness_mm=thickness_mm))
            console.print(stacks[-1].describe())
        if len(self.masks) > 1:
            check_order_of_masks(stacks, self.masks)
        return stacks


@contextmanager
def said_as_notes(console: Console) -> Iterator[None]:
    """Print what is warned of inside as notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        console.print(f"Note: {one.message}")


def spread(items: Sequence[Item], n: int, option: str) -> list[Item | None]:
    """Return one item for each of n stacks: as many as there are, one for all, or none."""
    if len(items) not in (0, 1, n):
        raise ConfigError(f"--{option} takes one value for all stacks or one for each of the {n}, got {len(items)}.")
    if len(items) == n:
        return list(items)
    return [items[0] if items else None] * n


def stopped_beside(output: Path) -> Path:
    """Return where the volume of a training goes that was stopped, and must not replace a finished one."""
    name = output.name
    suffix = ".nii.gz" if name.lower().endswith(".nii.gz") else ".nii"
    return output.with_name(f"{name[: -len(suffix)]}.stopped{name[-len(suffix) :]}")


def describe_motion(result: SliceReconstruction) -> str:
    """Say how far slices moved, of those that show something of the object."""
    import numpy as np

    used = result.weights > 0
    if not used.any():
        return "No slice shows anything of the object."
    angles = np.rad2deg(np.linalg.norm(result.motion[used, :3], axis=1))
    shifts = np.linalg.norm(result.motion[used, 3:], axis=1)
    return (
        f"{used.sum()} slices; with their stacks they moved by {np.median(angles):.1f}° and {np.median(shifts):.1f} mm "
        f"(median), at most {angles.max():.1f}° and {shifts.max():.1f} mm."
    )
