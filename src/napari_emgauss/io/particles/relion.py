"""Particles of RELION: .star files of versions 3.0, 3.1 and 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import FileFormatError, ParticlesError
from napari_emgauss.io.particles.image_stacks import FileImages, resolve_stacks
from napari_emgauss.io.particles.star import StarTable, read_star
from napari_emgauss.particles import CtfParameters, Particles

Numbers = npt.NDArray[np.float64]

ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
CTF_COLUMNS = {
    "defocus_u_angstrom": "rlnDefocusU",
    "defocus_v_angstrom": "rlnDefocusV",
    "defocus_angle_deg": "rlnDefocusAngle",
    "voltage_kv": "rlnVoltage",
    "cs_mm": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
}
_NOT_APPLIED = {
    "rlnBeamTiltX": 0.0,
    "rlnBeamTiltY": 0.0,
    "rlnMagMat00": 1.0,
    "rlnMagMat01": 0.0,
    "rlnMagMat10": 0.0,
    "rlnMagMat11": 1.0,
    "rlnCtfDataAreCtfPremultiplied": 0.0,
}
"""What a table may ask for and is not applied, with the value that asks for nothing."""
_ZERNIKE = ("rlnOddZernike", "rlnEvenZernike")
_MOST_DIGITS = 18
"""Of an image's number."""
PREMULTIPLIED, FLIPPED = "rlnCtfDataAreCtfPremultiplied", "rlnCtfDataArePhaseFlipped"


def remedy_for(missing: Sequence[str]) -> str:
    """Return what to do about columns that a table does not have."""
    if set(missing) & set(ANGLES):
        return "Poses must be known: take the run_data.star of a refinement (Refine3D), not that of an extraction."
    if set(missing) & set(CTF_COLUMNS.values()):
        return "CTFs must be known: take a table from after the estimation of the CTF (CtfFind, CtfRefine)."
    return "Take the table that the refinement has written, or add the column."


def rotations_of(angles_deg: Numbers) -> Numbers:
    """Return matrices (n, 3, 3) of RELION's rot, tilt and psi (n, 3): x, y of the image are (R x)₀₁."""
    matrices: Numbers = Rotation.from_euler("ZYZ", angles_deg, degrees=True).inv().as_matrix()
    return matrices


@dataclass(frozen=True, eq=False)
class RelionTable:
    """The particles of a .star file with their optics, without their images."""

    particles: StarTable
    optics: StarTable | None
    optics_row: npt.NDArray[np.int64]
    """Row of ``optics`` of every particle."""

    @classmethod
    def read(cls, path: Path) -> RelionTable:
        """Read a .star file.

        Raises
        ------
        FileFormatError, ParticlesError
            It holds no particles, or particles of an optics group that it does not describe.
        """
        tables = read_star(path)
        optics = next((table for table in tables if table.name == "optics"), None)
        candidates = [table for table in tables if table.name != "optics" and "rlnImageName" in table]
        if not candidates:
            raise FileFormatError(f"{path} has no table with the column _rlnImageName: it holds no particles.")
        particles = candidates[0]
        if particles.n_rows == 0:
            raise FileFormatError(f"{path} lists no particles.")
        rows = np.zeros(particles.n_rows, np.int64)
        if optics is not None:
            known = {text: row for row, text in enumerate(optics.texts("rlnOpticsGroup"))}
            try:
                rows = np.array([known[text] for text in particles.texts("rlnOpticsGroup")], np.int64)
            except KeyError as error:
                raise ParticlesError(
                    f"{path} has particles of optics group {error} and does not describe it."
                ) from None
        return cls(particles, optics, rows)

    def __contains__(self, name: str) -> bool:
        return name in self.particles or (self.optics is not None and name in self.optics)

    def numbers(self, name: str, default: float | None = None) -> Numbers:
        """Return a column of the particles, or of their optics groups, as one number per particle."""
        if self.optics is not None and name in self.optics and name not in self.particles:
            return self.optics.numbers(name)[self.optics_row]
        if name in self.particles or default is None:
            return self.particles.numbers(name)
        return np.full(self.particles.n_rows, default)

    def require(self, *names: str) -> None:
        """Raise `ParticlesError` naming all columns that neither table has."""
        missing = [name for name in names if name not in self]
        if missing:
            raise ParticlesError(
                f"{self.particles.path} has no column {', '.join(f'_{name}' for name in missing)}, neither among its "
                f"particles nor among its optics groups. {remedy_for(missing)}"
            )

    def pixel_size(self) -> float:
        """Return the pixel size in Å; raises `ParticlesError` where there is none or several."""
        if "rlnImagePixelSize" in self:
            sizes = self.numbers("rlnImagePixelSize")
        elif "rlnDetectorPixelSize" in self and "rlnMagnification" in self:
            sizes = 1e4 * self.numbers("rlnDetectorPixelSize") / self.numbers("rlnMagnification")
        else:
            raise ParticlesError(
                f"{self.particles.path} does not tell the pixel size: it has neither _rlnImagePixelSize nor "
                "_rlnDetectorPixelSize with _rlnMagnification. Pass pixel_size_angstrom (--pixel-size-angstrom)."
            )
        if np.ptp(sizes) > 1e-4 * sizes.max():
            named = ", ".join(f"{size:g}" for size in np.unique(sizes.round(6))[:4])
            raise ParticlesError(
                f"the particles of {self.particles.path} have pixel sizes of {named} Å; all must have one. "
                "Rescale them, or reconstruct the groups one by one."
            )
        return float(sizes.mean())

    def shifts_angstrom(self, pixel_size: float) -> Numbers:
        """Return shifts (n, 2) as (x, y) in Å; 0 where the file has none."""
        if "rlnOriginXAngst" in self:
            self.require("rlnOriginYAngst")
            return np.stack([self.numbers("rlnOriginXAngst"), self.numbers("rlnOriginYAngst")], 1)
        return pixel_size * np.stack([self.numbers("rlnOriginX", 0.0), self.numbers("rlnOriginY", 0.0)], 1)

    def ctf(self) -> CtfParameters:
        """Return the parameters of the CTFs; raises `ParticlesError` naming the columns that are missing."""
        self.require(*CTF_COLUMNS.values())
        return CtfParameters(
            **{name: self.numbers(column) for name, column in CTF_COLUMNS.items()},
            phase_shift_deg=self.numbers("rlnPhaseShift", 0.0),
            b_factor=self.numbers("rlnCtfBfactor", 0.0),
        )

    def halves(self) -> npt.NDArray[np.int64] | None:
        """Return the half set (n,), 0 or 1, of every particle; None where the file has none."""
        if "rlnRandomSubset" not in self:
            return None
        values = self.numbers("rlnRandomSubset")
        if not np.isin(values, (1, 2)).all():
            raise ParticlesError(f"column _rlnRandomSubset of {self.particles.path} must hold 1 and 2 only.")
        halves = values.astype(np.int64) - 1
        return halves if len(np.unique(halves)) == 2 else None  # a file of one half is split anew

    def phase_flipped(self) -> bool:
        """Return whether the images were multiplied by the sign of their CTF; raises `ParticlesError` for some only."""
        flipped = self.numbers(FLIPPED, 0.0) != 0
        if flipped.any() and not flipped.all():
            raise ParticlesError(
                f"column _{FLIPPED} of {self.particles.path} holds 1 for {int(flipped.sum())} of {len(flipped)} "
                "particles; it must be the same for all. Reconstruct the optics groups one by one."
            )
        return bool(flipped.all())

    def aberrations(self) -> list[str]:
        """Name what the table asks for that is not applied."""
        asked = [name for name, none in _NOT_APPLIED.items() if name in self and (self.numbers(name) != none).any()]
        for name in _ZERNIKE:
            table = next((t for t in (self.optics, self.particles) if t is not None and name in t), None)
            if table is not None and any(set(text) - set("[]0., -") for text in table.texts(name)):
                asked.append(name)
        return asked

    def image_names(self) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Return the stack, and the image in it counted from 0, of every particle."""
        stacks, indices = [], []
        for text in self.particles.texts("rlnImageName"):
            number, at, stack = text.partition("@")
            if not at:
                number, stack = "1", text
            if not (number.isdecimal() and len(number) <= _MOST_DIGITS and int(number) > 0 and stack):
                raise ParticlesError(
                    f"column _rlnImageName of {self.particles.path} holds {text[:100]!r}, not n@stack.mrcs."
                )
            stacks.append(stack)
            indices.append(int(number) - 1)
        return stacks, np.array(indices, np.int64)

    def optics_names(self) -> tuple[str, ...]:
        """Return the names of the optics groups."""
        if self.optics is None:
            return ("all",)
        named = self.optics.columns.get("rlnOpticsGroupName") or self.optics.texts("rlnOpticsGroup")
        return tuple(named)


def read_relion(
    path: Path,
    *,
    folders: Sequence[Path],
    pixel_size_angstrom: float | None,
    with_ctf: bool,
    ignore_aberrations: bool,
) -> Particles:
    """Read the particles of a .star file; see `read_particles`."""
    table = RelionTable.read(path)
    table.require(*ANGLES)
    asked = table.aberrations() if with_ctf else []
    if PREMULTIPLIED in asked or (asked and not ignore_aberrations):
        remedy = (
            "Extract the particles without multiplying them by their CTF."
            if PREMULTIPLIED in asked
            else "Pass ignore_aberrations=True (--ignore-aberrations) to reconstruct without."
        )
        named = ", ".join(f"_{name}" for name in asked)
        raise ParticlesError(f"{path} asks for what is not applied here: {named}. {remedy}")
    pixel = table.pixel_size() if pixel_size_angstrom is None else float(pixel_size_angstrom)
    ctf = table.ctf() if with_ctf else None
    stacks, indices = table.image_names()
    names = list(dict.fromkeys(stacks))
    found = resolve_stacks(names, folders)
    order = {name: n for n, name in enumerate(names)}
    return Particles(
        images=FileImages.open([found[name] for name in names], np.array([order[s] for s in stacks]), indices),
        pixel_size_angstrom=pixel,
        rotations=rotations_of(np.stack([table.numbers(name) for name in ANGLES], 1)),
        shifts_angstrom=table.shifts_angstrom(pixel),
        ctf=ctf,
        halves=table.halves(),
        optics_group=table.optics_row,
        optics_names=table.optics_names(),
        phase_flipped=table.phase_flipped(),
        source=path.name,
    )
