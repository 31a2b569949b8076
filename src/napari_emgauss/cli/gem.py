"""``napari-emgauss gem``: a density map from cryo-EM particles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional

from napari_emgauss.cli.reconstruct import stopped_output
from napari_emgauss.cli.terminal import INTERRUPTED
from napari_emgauss.errors import FileFormatError
from napari_emgauss.units import format_duration

if TYPE_CHECKING:
    from rich.console import Console

    from napari_emgauss.methods.gem import GaussianMap
    from napari_emgauss.particles import Particles

Naming = Callable[[Path], Path]
OPTIONS = ("symmetry", "seed", "checkpoint")
"""Settings that are options of the command."""
MAP, TABLE, FIGURE = (".mrc",), (".csv",), (".png", ".pdf", ".svg")
"""Suffixes of what is written besides the model."""


@dataclass(frozen=True, kw_only=True)
class GemCommand:
    """Reconstruct a density map from cryo-EM particles with known poses, with the resolution of its halves.

    Ctrl-C stops and keeps what was learned.
    """

    particles: Positional[Path]
    """RELION's .star, cryoSPARC's .cs, or a stack (.mrcs) with --poses and --ctf."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Map to write (.mrc)."""
    data_dir: tuple[Path, ...] = ()
    """Folders that the images' names begin in, besides that of the particles; nothing outside of them is read."""
    poses: Path | None = None
    """For a stack: rotations and shifts, .npz or cryoDRGN's .pkl."""
    ctf: Path | None = None
    """For a stack: CTFs, .npz or cryoDRGN's .pkl."""
    passthrough: Path | None = None
    """For .cs: a second table of the same job."""
    pixel_size_angstrom: float | None = None
    """Pixel size of the images; that of the table by default."""
    box_px: int | None = None
    """Side of a smaller box of the same extent: faster, less detail."""
    data_sign: Literal["auto", "white", "black"] = "auto"
    """Whether the particle is brighter or darker than what is around it."""
    phase_flipped: bool | None = None
    """Whether the images were multiplied by the sign of their CTF; what the table says by default."""
    ignore_aberrations: bool = False
    """Go on where the table asks for beam tilt, higher aberrations or anisotropic magnification, without these."""
    symmetry: str = "C1"
    """Point group of the molecule: Cn or Dn."""
    b_factor: Literal["none", "auto"] | float = "none"
    """Sharpening of the written map for display, in Å² (negative sharpens); auto estimates it."""
    half_maps: bool = False
    """Also write both half maps beside the map, as NAME.half1.mrc and NAME.half2.mrc."""
    model: Path | None = None
    """Also save the model (.emgauss)."""
    local_resolution: Path | None = None
    """Also write a map of the resolution around every voxel, in Å (.mrc)."""
    gaussians: Path | None = None
    """Also write a table of all Gaussians (.csv)."""
    figure: Path | None = None
    """Also draw the correlations of the halves (.png, .pdf, .svg)."""
    seed: int = 0
    """The same seed gives the same result on the same machine."""
    checkpoint: Path | None = None
    """Folder for checkpoints; a training found there is continued."""
    set: tuple[str, ...] = ()
    """Other settings as name=value, like n_gaussians=3000 amplitudes=signed."""
    overwrite: bool = False
    """Replace existing outputs, but by those of a run that was stopped: where one exists, these are NAME.stopped."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Reconstruct a map and write it; 130 when the user stopped it."""
        from napari_emgauss.cli.display import TrainingDisplay, plain_console, stop_on_interrupt
        from napari_emgauss.cli.outputs import check_not_inputs, check_outputs, tell_of_checkpoints
        from napari_emgauss.cli.settings import parse_settings
        from napari_emgauss.io.container import check_model_name
        from napari_emgauss.io.particles import image_files
        from napari_emgauss.methods.gem import GemConfig, reconstruct_particles
        from napari_emgauss.settings import fields_of
        from napari_emgauss.training import Control, Event, Finished, FinishReason

        console = plain_console()
        check_suffix("a map", self.output, MAP)
        if self.model is not None:
            check_model_name(self.model)
        check_suffix("a map of resolutions", self.local_resolution, MAP)
        check_suffix("a table of Gaussians", self.gaussians, TABLE)
        check_suffix("a figure", self.figure, FIGURE)
        inputs = [path for path in (self.particles, self.poses, self.ctf, self.passthrough) if path is not None]
        check_outputs(self._outputs(), inputs=inputs, overwrite=self.overwrite)
        settings = parse_settings(self.set, fields=fields_of(GemConfig), options=OPTIONS)
        particles = self._read()
        inputs += image_files(particles)
        check_not_inputs([*self._outputs(), *map(stopped_output, self._outputs())], inputs)
        console.print(particles.describe())
        tell_of_checkpoints(self.checkpoint, console)
        control = Control()
        end: list[Finished] = []
        with TrainingDisplay(console) as display, stop_on_interrupt(control, console):

            def on_event(event: Event) -> None:
                display(event)
                if isinstance(event, Finished):
                    end.append(event)

            try:
                result = reconstruct_particles(
                    particles,
                    seed=self.seed,
                    on_event=on_event,
                    control=control,
                    checkpoint=self.checkpoint,
                    symmetry=self.symmetry,
                    **settings,
                )
            except RuntimeError:
                if not control.stopped:
                    raise
                console.print("Stopped before the images had been read once: nothing was written.")
                return INTERRUPTED
        stopped = end[-1].reason is FinishReason.STOPPED
        named = stopped_output if stopped and any(path.exists() for path in self._outputs()) else as_it_is
        whole = self._write_map(result, named, console)
        state = "stopped early, kept" if stopped else "done"
        took = format_duration(end[-1].seconds)
        what = f"{result.n_gaussians} Gaussians, a map of {result.box_px}³ voxels"
        console.print(f"{state} after {took}: {what}: {named(self.output)}")
        if result.view_changes is not None:
            about = result.record["views"]
            turned, shifted = about["turned_deg"], about["shifted_angstrom"]
            console.print(f"Views were refined: turned by {turned:.2f}° and shifted by {shifted:.2f} Å (rms).")
        if named is stopped_output:
            console.print("Earlier outputs were left as they were; those of this run are called NAME.stopped.")
        failed = self._write_extras(result, named, console)
        console.print(result.resolution().table())
        return INTERRUPTED if stopped else int(failed or not whole)

    def _read(self) -> Particles:
        from napari_emgauss.io.particles import read_particles

        return read_particles(
            self.particles,
            data_dir=self.data_dir,
            poses=self.poses,
            ctf=self.ctf,
            passthrough=self.passthrough,
            pixel_size_angstrom=self.pixel_size_angstrom,
            box_px=self.box_px,
            data_sign=self.data_sign,
            phase_flipped=self.phase_flipped,
            ignore_aberrations=self.ignore_aberrations,
        )

    def _half_paths(self) -> list[Path]:
        if not self.half_maps:
            return []
        return [self.output.with_suffix(f".half{number}{self.output.suffix}") for number in (1, 2)]

    def _outputs(self) -> list[Path]:
        also = (self.model, self.local_resolution, self.gaussians, self.figure)
        return [self.output, *self._half_paths(), *(path for path in also if path is not None)]

    def _write_map(self, result: GaussianMap, named: Naming, console: Console) -> bool:
        """Write the map and the model; return whether both are where they should be."""
        from napari_emgauss.cli.outputs import write_with_model

        b_factor = None if self.b_factor == "none" else self.b_factor
        return write_with_model(
            lambda path: result.map(b_factor=b_factor).write(path, overwrite=True),
            result,
            named(self.output),
            None if self.model is None else named(self.model),
            console,
            checkpoint=self.checkpoint,
        )

    def _write_extras(self, result: GaussianMap, named: Naming, console: Console) -> bool:
        """Write what can be made again from the model; return whether something of it failed, which is said."""
        extras: list[tuple[Path, Callable[[Path], object]]] = [
            (path, partial(half.write, overwrite=True))
            for path, half in zip(self._half_paths(), result.half_maps(), strict=False)
        ]
        if self.local_resolution is not None:
            extras.append((self.local_resolution, lambda path: result.local_resolution().write(path, overwrite=True)))
        if self.gaussians is not None:
            extras.append((self.gaussians, partial(result.write_gaussians, overwrite=True)))
        if self.figure is not None:
            extras.append((self.figure, result.resolution().figure))
        failed = False
        for path, write in extras:
            try:
                write(named(path))
            except (OSError, ValueError, RuntimeError) as error:
                failed = True
                console.print(f"{named(path)} could not be written: {error}. All else is kept.")
        return failed


def check_suffix(what: str, path: Path | None, suffixes: Sequence[str]) -> None:
    """Raise `FileFormatError` unless an output has a suffix that it can be written as."""
    if path is not None and path.suffix.lower() not in suffixes:
        raise FileFormatError(
            f"{what} is written as {', '.join(suffixes)}, got {path.name!r}. Name it {path.stem + suffixes[0]!r}."
        )


def as_it_is(path: Path) -> Path:
    """Return ``path``."""
    return path
