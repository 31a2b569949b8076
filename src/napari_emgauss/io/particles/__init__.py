"""Particles of cryo-EM from the files of RELION, cryoSPARC and cryoDRGN."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from napari_emgauss.errors import FileFormatError, ParticlesError
from napari_emgauss.io.particles.cryodrgn import read_cryodrgn
from napari_emgauss.io.particles.cryosparc import read_cryosparc
from napari_emgauss.io.particles.image_stacks import SUFFIXES, FileImages
from napari_emgauss.io.particles.relion import read_relion
from napari_emgauss.io.particles.writing import write_particles
from napari_emgauss.particles import Particles

Name = str | os.PathLike[str]

__all__ = ["READABLE_PARTICLES", "image_files", "read_particles", "write_particles"]

READABLE_PARTICLES = (".star", ".cs", *SUFFIXES)
_SIGNS = {"auto": None, "white": 1, "black": -1}


def read_particles(
    path: Name,
    *,
    data_dir: Name | Sequence[Name] | None = None,
    poses: Name | None = None,
    ctf: Name | None = None,
    passthrough: Name | None = None,
    pixel_size_angstrom: float | None = None,
    box_px: int | None = None,
    data_sign: Literal["auto", "white", "black"] = "auto",
    phase_flipped: bool | None = None,
    with_ctf: bool = True,
    ignore_aberrations: bool = False,
) -> Particles:
    """Read particles; their images are read later, a batch at a time.

    Parameters
    ----------
    path
        RELION's .star (3.0, 3.1, 5), cryoSPARC's .cs, or a stack (.mrcs, .mrc) with ``poses`` and ``ctf``.
    data_dir
        Folders that the images' names begin in, besides that of ``path``; nothing outside of them is read.
    poses, ctf
        For a stack: .npz, .npy or cryoDRGN's .pkl with rotations (n, 3, 3) and shifts (n, 2) as parts of the box; and
        with CTFs (n, 9).
    passthrough
        For .cs: a second table of the same job, joined by ``uid``.
    pixel_size_angstrom
        Wins over the file's. It is never taken from the header of an MRC file, which often is wrong.
    box_px
        Side of a smaller box of the same extent, by cropping in Fourier space.
    data_sign
        Whether the particle is ``white`` or ``black``; ``auto`` takes what the file says, or finds it out later.
    phase_flipped
        Whether the images were multiplied by the sign of their CTF; None takes what the file says.
    with_ctf
        False: the images were made without a CTF, as projections are.
    ignore_aberrations
        Read particles whose table asks for beam tilt, higher aberrations or anisotropic magnification, without these.

    Raises
    ------
    FileNotFoundError
        A file is missing.
    FileFormatError
        Truncated, damaged or of another kind; a pickle with anything but arrays; a name that leads out of the folders.
    ParticlesError
        Missing columns, by name; boxes or pixel sizes that differ, numbers that do not fit together.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. Check the path.")
    suffix = path.suffix.lower()
    extra = [data_dir] if isinstance(data_dir, str | os.PathLike) else list(data_dir or ())
    folders = [*map(Path, extra), path.parent]
    if suffix not in READABLE_PARTICLES:
        raise FileFormatError(f"particles are read from {', '.join(READABLE_PARTICLES)}, got {path.name!r}.")
    try:
        if suffix in SUFFIXES:
            particles = read_cryodrgn(
                path,
                poses=None if poses is None else Path(poses),
                ctf=None if ctf is None else Path(ctf),
                pixel_size_angstrom=pixel_size_angstrom,
                with_ctf=with_ctf,
            )
        elif poses is not None or ctf is not None:
            raise ParticlesError(
                f"{path.name} has poses and CTFs of its own; leave out poses (--poses) and ctf (--ctf)."
            )
        elif suffix == ".star":
            particles = read_relion(
                path,
                folders=folders,
                pixel_size_angstrom=pixel_size_angstrom,
                with_ctf=with_ctf,
                ignore_aberrations=ignore_aberrations,
            )
        else:
            particles = read_cryosparc(
                path,
                folders=folders,
                passthrough=None if passthrough is None else Path(passthrough),
                pixel_size_angstrom=pixel_size_angstrom,
                with_ctf=with_ctf,
                ignore_aberrations=ignore_aberrations,
            )
    except (ParticlesError, FileFormatError) as error:
        if path.name in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
    if data_sign not in _SIGNS:
        raise ParticlesError(f"data_sign must be one of {', '.join(_SIGNS)}, got {data_sign!r}.")
    sign = _SIGNS[data_sign]
    flipped = particles.phase_flipped if phase_flipped is None else phase_flipped
    given = particles.data_sign if sign is None else sign
    return replace(particles, data_sign=given, phase_flipped=flipped, box_px=box_px or 0)


def image_files(particles: Particles) -> tuple[Path, ...]:
    """Return the files that the images of particles, as `read_particles` returns them, are read from."""
    return particles.images.paths if isinstance(particles.images, FileImages) else ()
