"""``napari-emgauss gem``: a density map from cryo-EM particles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional

from napari_emgauss.cli.terminal import INTERRUPTED
from napari_emgauss.errors import FileFormatError
from napari_emgauss.units import format_duration

if TYPE_CHECKING:
    from napari_emgauss.methods.gem import GaussianMap
    from napari_emgauss.particles import Particles

OPTIONS = ("symmetry", "seed", "checkpoint")
"""Settings that are options of the command."""
SUFFIXES = (".mrc", ".map", ".rec")


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
    gaussians: Path | None = None
    """Also write a table of all Gaussians (.csv)."""
    figure: Path | None = None
    """Also draw the correlations of the halves (.png)."""
    seed: int = 0
    """The same seed gives the same result on the same machine."""
    checkpoint: Path | None = None
    """Folder for checkpoints; a training found there is continued."""
    set: tuple[str, ...] = ()
    """Other settings as name=value, like n_gaussians=3000 amplitudes=signed."""
    overwrite: bool = False
    """Replace existing outputs."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Reconstruct a map and write it; 130 when the user stopped it."""
        from napari_emgauss.cli.display import TrainingDisplay, plain_console, stop_on_interrupt
        from napari_emgauss.cli.outputs import check_outputs, save_model
        from napari_emgauss.cli.settings import parse_settings
        from napari_emgauss.methods.gem import GemConfig, reconstruct_particles
        from napari_emgauss.settings import fields_of
        from napari_emgauss.training import Control, Event, Finished, FinishReason

        console = plain_console()
        if self.output.suffix.lower() not in SUFFIXES:
            raise FileFormatError(f"a map is written as {', '.join(SUFFIXES)}, got {self.output.name!r}.")
        also = (self.model, self.gaussians, self.figure)
        outputs = [path for path in (self.output, *self._half_paths(), *also) if path is not None]
        inputs = [path for path in (self.particles, self.poses, self.ctf, self.passthrough) if path is not None]
        check_outputs(outputs, inputs=inputs, overwrite=self.overwrite)
        settings = parse_settings(self.set, fields=fields_of(GemConfig), options=OPTIONS)
        particles = self._read()
        console.print(particles.describe())
        if self.checkpoint is not None and self.checkpoint.is_dir() and any(self.checkpoint.iterdir()):
            console.print(f"Continuing from the checkpoints in {self.checkpoint}.")
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
        written = self._write(result, stopped=stopped)
        if self.model is not None:
            save_model(result, self.model, console, otherwise=[written.parent])
        state = "stopped early, kept" if stopped else "done"
        took = format_duration(end[-1].seconds)
        what = f"{result.n_gaussians} Gaussians, a map of {result.box_px}³ voxels"
        console.print(f"{state} after {took}: {what}: {written}")
        if written != self.output:
            console.print(f"The map in {self.output} was left as it was.")
        console.print(result.resolution().table())
        return INTERRUPTED if stopped else 0

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
            ignore_aberrations=self.ignore_aberrations,
        )

    def _half_paths(self) -> list[Path]:
        if not self.half_maps:
            return []
        return [self.output.with_suffix(f".half{number}{self.output.suffix}") for number in (1, 2)]

    def _write(self, result: GaussianMap, *, stopped: bool) -> Path:
        """Write the map and what else is wanted; a finished map is not replaced by one that was stopped."""
        output = self.output
        if stopped and output.exists():
            output = output.with_name(f"{output.stem}.stopped{output.suffix}")
        b_factor = None if self.b_factor == "none" else self.b_factor
        result.map(b_factor=b_factor).write(output, overwrite=True)
        for path, half in zip(self._half_paths(), result.half_maps(), strict=False):
            half.write(path, overwrite=True)
        if self.gaussians is not None:
            result.write_gaussians(self.gaussians, overwrite=True)
        if self.figure is not None:
            result.resolution().figure(self.figure)
        return output
