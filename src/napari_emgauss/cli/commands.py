"""The commands and their options; what they do is imported when they run, so that ``--help`` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from napari_emgauss.methods.emgauss.presets import PresetName

Device = Literal["auto", "cpu", "cuda"]


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
    preset: PresetName = "balanced"
    """How much effort: fast is a first look; paper is the method as published (slow)."""
    device: Device = "auto"
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
    export: Path | None = None
    """Also write the isotropic volume: .ome.tif, .ome.zarr or .mrc."""
    set: tuple[str, ...] = ()
    """Other settings as name=value, like spacing_px=3 joint=40; docs/guide/settings.md lists those that matter most."""
    overwrite: bool = False
    """Replace existing outputs."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Execute; returns the exit code."""
        from napari_emgauss.cli.reconstruct import run

        return run(self)


@dataclass(frozen=True, kw_only=True)
class Render:
    """Draw one section at any depth."""

    model: Positional[Path]
    """Model file (.emgauss)."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Image: .tif (the stack's intensities as float32) or .png (8-bit, stretched)."""
    z: float | None = None
    """Section coordinate: 0 is the first section, 3.5 lies midway between the fourth and the fifth."""
    depth_nm: float | None = None
    """Depth below the centre of the first section, instead of z."""
    region: tuple[int, int, int, int] | None = None
    """Part of the section: y0 y1 x0 x1 in pixels."""
    zoom: float = 1.0
    """Output pixels per section pixel."""
    uncertainty: bool = False
    """Draw the absolute error to expect instead, in the stack's intensity units."""
    overwrite: bool = False
    """Replace an existing output."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Execute; returns the exit code."""
        from napari_emgauss.cli.output import render

        return render(self)


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write the isotropic volume of a model."""

    model: Positional[Path]
    """Model file (.emgauss)."""
    output: Positional[Path]
    """Volume: .ome.tif, .ome.zarr or .mrc."""
    voxel_size_nm: tuple[float, float, float] | None = None
    """Voxel size z y x in nanometres; isotropic, at the section's pixel size, by default."""
    overwrite: bool = False
    """Replace an existing output."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Execute; returns the exit code."""
        from napari_emgauss.cli.output import export

        return export(self)


@dataclass(frozen=True, kw_only=True)
class Interpolate:
    """Write the isotropic volume by plain interpolation: at once, and what a reconstruction has to beat."""

    stack: Positional[Path]
    """The stack."""
    output: Positional[Path]
    """Volume: .ome.tif, .ome.zarr or .mrc."""
    method: str = "linear+blur0.7"
    """nearest, linear, cubic or flow (optical flow), each with +blurSIGMA if wanted."""
    leave_out: tuple[int, ...] = ()
    """Damaged sections (counted from 0) to ignore."""
    voxel_size_nm: tuple[float, float, float] | None = None
    """Voxel size z y x of the stack in nanometres; needed where the file does not say."""
    dataset: str | None = None
    """Name of the dataset in an HDF5 file with several."""
    overwrite: bool = False
    """Replace an existing output."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Execute; returns the exit code."""
        from napari_emgauss.cli.output import interpolate

        return interpolate(self)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score methods on sections withheld from an isotropic volume: does it beat interpolation on your tissue."""

    volume: Positional[Path]
    """Isotropic volume of tissue like yours."""
    factor: int = 6
    """Anisotropy to simulate: every factor-th section is kept."""
    methods: tuple[str, ...] = ("linear", "linear+blur0.7", "flow+blur0.7", "emgauss:fast")
    """nearest, linear, cubic, flow, each with +blurSIGMA; emgauss or emgauss:PRESET."""
    voxel_size_nm: tuple[float, float, float] | None = None
    """Voxel size z y x in nanometres; needed where the file does not say."""
    dataset: str | None = None
    """Name of the dataset in an HDF5 file with several."""
    crop: tuple[int, int, int, int, int, int] | None = None
    """Part to use: z0 z1 y0 y1 x0 x1 in voxels."""
    output_dir: Path | None = None
    """Folder for the table (CSV, JSON) and the figure (PNG)."""
    device: Device = "auto"
    """Where to train."""
    seed: int = 0
    """Seed of the training."""
    set: tuple[str, ...] = ()
    """Other settings of emgauss as name=value."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Execute; returns the exit code."""
        from napari_emgauss.cli.evaluate import evaluate

        return evaluate(self)


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Reconstruct a synthetic stack and compare it with the truth, in about a minute."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("demo_output")
    """Folder for the results; files of an earlier demo in it are replaced."""
    seed: int = 0
    """Seed of the phantom and of the training."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Execute; returns the exit code."""
        from napari_emgauss.cli.evaluate import demo

        return demo(self)


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """What works on this machine, and what to do about what does not."""

    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Execute; returns the exit code."""
        from napari_emgauss.cli.doctor import run

        return run()
