"""Particles written as RELION reads them."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.atomic import check_target, replacing
from napari_emgauss.particles import Particles

BATCH = 256


def write_particles(particles: Particles, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write particles as RELION's .star (3.1), with their images, as `Particles.read` gives them, in a .mrcs beside it.

    Raises
    ------
    FileFormatError
        Another suffix than .star.
    FileExistsError, OSError
        A file exists and may not be replaced, or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".star":
        raise FileFormatError(f"particles are written as .star, got {path.name!r}.")
    stack = path.with_suffix(".mrcs")
    for target in (path, stack):
        check_target(target, overwrite=overwrite)
    n, box = len(particles), particles.box_px
    with replacing(stack, overwrite=overwrite, n_bytes=4 * n * box * box) as temporary:
        file = mrcfile.new_mmap(temporary, (n, box, box), mrc_mode=2)
        with file:
            for start in range(0, n, BATCH):
                chosen = range(start, min(start + BATCH, n))
                file.data[start : start + len(chosen)] = particles.read(chosen)
            file.set_image_stack()
            file.voxel_size = particles.box_pixel_size_angstrom
    with replacing(path, overwrite=overwrite, n_bytes=0) as temporary:
        temporary.write_text(_table(particles, stack.name), encoding="utf-8")
    return path


def _table(particles: Particles, stack: str) -> str:
    n, box = len(particles), particles.box_px
    flipped, size = int(particles.phase_flipped), particles.box_pixel_size_angstrom
    optics = ["rlnOpticsGroup", "rlnOpticsGroupName", "rlnImagePixelSize", "rlnImageSize", "rlnImageDimensionality"]
    names = ["_".join(name.split()) or "group" for name in particles.optics_names]
    groups = [f"{i + 1} {name} {size:.6f} {box} 2" for i, name in enumerate(names)]
    angles = Rotation.from_matrix(particles.rotations).inv().as_euler("ZYZ", degrees=True)
    columns = {
        "rlnImageName": [f"{i + 1:06d}@{stack}" for i in range(n)],
        "rlnOpticsGroup": [str(i + 1) for i in particles.optics_group],
        "rlnCtfDataArePhaseFlipped": [str(flipped)] * n,
    }
    numbers = dict(zip(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"), angles.T, strict=True))
    numbers |= dict(zip(("rlnOriginXAngst", "rlnOriginYAngst"), particles.shifts_angstrom.T, strict=True))
    if (ctf := particles.ctf) is not None:
        numbers |= {
            "rlnDefocusU": ctf.defocus_u_angstrom,
            "rlnDefocusV": ctf.defocus_v_angstrom,
            "rlnDefocusAngle": ctf.defocus_angle_deg,
            "rlnVoltage": ctf.voltage_kv,
            "rlnSphericalAberration": ctf.cs_mm,
            "rlnAmplitudeContrast": ctf.amplitude_contrast,
            "rlnPhaseShift": ctf.phase_shift_deg,
            "rlnCtfBfactor": ctf.b_factor,
        }
    if particles.halves is not None:
        columns["rlnRandomSubset"] = [str(half + 1) for half in particles.halves]
    columns |= {name: [f"{value:.6f}" for value in np.asarray(values)] for name, values in numbers.items()}
    rows = [" ".join(row) for row in zip(*columns.values(), strict=True)]
    return "\n".join(["", *_loop("optics", optics, groups), "", *_loop("particles", list(columns), rows), ""])


def _loop(name: str, columns: list[str], rows: list[str]) -> list[str]:
    return [f"data_{name}", "", "loop_", *(f"_{column} #{i + 1}" for i, column in enumerate(columns)), *rows]
