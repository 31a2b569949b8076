"""Particles of cryo-EM: images with the view that each is of, and what the microscope did to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.spatial.transform import Rotation

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ParticlesError

Vector = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BACKGROUND_RADIUS = 0.95
"""Background is what lies outside this part of the inscribed circle."""
ROTATION_TOLERANCE = 1e-3
MIN_BOX_PX = 8
BOX_PARTS, SMALLEST_CHOICE_PX = (1, 3 / 4, 1 / 2, 1 / 3, 1 / 4), 24
KINDS = {1: "white on black", -1: "black on white"}


class ParticleImages(Protocol):
    """Square images, read when they are asked for."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images and their sides, (n, box, box)."""
        ...

    def read(self, indices: Sequence[int]) -> FloatArray:
        """Return images (k, box, box), float32, in the order of ``indices``; raises `FileFormatError`."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images (n, box, box) that are in memory."""

    array: FloatArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images and their sides."""
        n, height, width = self.array.shape
        return n, height, width

    def read(self, indices: Sequence[int]) -> FloatArray:
        """Return images (k, box, box)."""
        return np.asarray(self.array[list(indices)], np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class CtfParameters:
    """Parameters of the contrast transfer function of n particles, each an array (n,)."""

    defocus_u_angstrom: Vector
    """Underfocus along the first axis; positive under focus."""
    defocus_v_angstrom: Vector
    """Underfocus along the second axis."""
    defocus_angle_deg: Vector
    """Angle of the first axis from x towards y."""
    voltage_kv: Vector
    cs_mm: Vector
    """Spherical aberration."""
    amplitude_contrast: Vector
    """Share w of amplitude contrast, 0..1."""
    phase_shift_deg: Vector
    """Phase shift of a phase plate."""
    b_factor: Vector
    """B of the envelope exp(-B s² / 4), Å²."""

    def __post_init__(self) -> None:
        for own in fields(self):
            values = np.asarray(getattr(self, own.name), np.float64)
            if not np.isfinite(values).all():
                raise ParticlesError(f"{own.name} of {int((~np.isfinite(values)).sum())} particles is not finite.")
            object.__setattr__(self, own.name, values)
        for name in ("voltage_kv",):
            if (lowest := getattr(self, name)).size and lowest.min() <= 0:
                raise ParticlesError(f"{name} must be positive, got {lowest.min():g}.")

    def __getitem__(self, indices: Any) -> CtfParameters:
        return CtfParameters(**{own.name: getattr(self, own.name)[indices] for own in fields(self)})

    def __len__(self) -> int:
        return len(self.voltage_kv)


@dataclass(frozen=True, eq=False, kw_only=True)
class Particles:
    """n particles.

    The pose is RELION's: x, y, z of the map's frame become (R x)₀₁, x and y of the image, about pixel box/2 in each;
    the image that the particle is centred in is the observed one moved by +shift.

    Raises
    ------
    ParticlesError
        Numbers that do not fit together, rotations that are none, or an impossible pixel size.
    """

    images: ParticleImages
    """Images as they are stored."""
    pixel_size_angstrom: float
    """Side of a pixel of ``images``."""
    rotations: Vector
    """Rotation matrices (n, 3, 3)."""
    shifts_angstrom: Vector
    """Shifts (n, 2) as (x, y)."""
    ctf: CtfParameters | None
    """None: the images were made without one."""
    halves: Integers | None = None
    """Half set (n,), 0 or 1, of every particle; None if the file has none."""
    optics_group: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    """Index (n,) into ``optics_names``; all 0 by default."""
    optics_names: tuple[str, ...] = ("all",)
    data_sign: int = 0
    """1: particles are white, -1: black, 0: to be found out."""
    phase_flipped: bool = False
    """Whether the images were multiplied by the sign of their CTF."""
    box_px: int = 0
    """Side of the images as `read` returns them, by cropping in Fourier space; 0: as stored."""
    source: str = ""
    """Where they come from, for messages."""

    def __post_init__(self) -> None:
        n, height, width = self.images.shape
        if height != width:
            raise ParticlesError(f"particles must be square, got {height} × {width} px. Extract them in a square box.")
        if height < MIN_BOX_PX or height % 2:
            raise ParticlesError(
                f"the box of particles must be even and at least {MIN_BOX_PX} px, got {height}: programs place the "
                "centre of odd boxes differently. Extract them in an even box."
            )
        counts = {"rotations": len(self.rotations), "shifts": len(self.shifts_angstrom)}
        counts |= {} if self.ctf is None else {"CTFs": len(self.ctf)}
        counts |= {} if self.halves is None else {"half sets": len(self.halves)}
        for name, count in counts.items():
            if count != n:
                raise ParticlesError(f"there must be as many {name} as images, got {count} and {n}.")
        if n == 0:
            raise ParticlesError("there must be at least one particle, got none.")
        pixel = self.pixel_size_angstrom
        if not (np.isfinite(pixel) and pixel > 0):
            raise ParticlesError(
                f"pixel_size_angstrom must be positive, got {pixel!r}. Set it (--pixel-size-angstrom)."
            )
        self._check_poses()
        if not self.optics_group.size:
            object.__setattr__(self, "optics_group", np.zeros(n, np.int64))
        box = self.box_px or height
        if not MIN_BOX_PX <= box <= height or box % 2:
            raise ParticlesError(f"box must be even and within {MIN_BOX_PX}..{height}, got {box}.")
        object.__setattr__(self, "box_px", box)

    def _check_poses(self) -> None:
        n = len(self.rotations)
        if self.rotations.shape != (n, 3, 3) or self.shifts_angstrom.shape != (n, 2):
            raise ParticlesError(
                f"rotations must have shape (n, 3, 3) and shifts (n, 2), got {self.rotations.shape} and "
                f"{self.shifts_angstrom.shape}."
            )
        if not np.isfinite(self.shifts_angstrom).all():
            raise ParticlesError("shifts must be finite. Leave out the particles that have none.")
        error = np.abs(self.rotations @ self.rotations.transpose(0, 2, 1) - np.eye(3)).max(initial=0)
        if not error < ROTATION_TOLERANCE or (np.linalg.det(self.rotations) < 0).any():
            raise ParticlesError(f"rotations must be rotation matrices; R Rᵀ differs from 1 by up to {error:g}.")

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def box_pixel_size_angstrom(self) -> float:
        """Side of a pixel as `read` returns it."""
        return self.pixel_size_angstrom * self.images.shape[1] / self.box_px

    @property
    def shifts_px(self) -> Vector:
        """Shifts (n, 2) as (x, y) in pixels of the box."""
        return self.shifts_angstrom / self.box_pixel_size_angstrom

    def read(self, indices: Sequence[int]) -> FloatArray:
        """Return particles (k, box, box): white, background of mean 0 and standard deviation 1, cropped to the box.

        Where the sign is not known it is taken to be white.
        """
        images = normalised(self.images.read(indices)) * np.float32(self.data_sign or 1)
        return images if self.box_px == images.shape[1] else fourier_cropped(images, self.box_px)

    def with_box(self, box_px: int) -> Particles:
        """Return the same particles, read in a smaller box of the same extent; raises `ParticlesError`."""
        return replace(self, box_px=box_px)

    def with_changed_views(self, changes: Vector) -> Particles:
        """Return the same particles seen from views that differ a little.

        Parameters
        ----------
        changes
            (n, 6): turns about x, y and z of the image in radians (R becomes exp(ω) R), what is added to the shift
            along x and y in pixels of the box, and to both defoci in Å.
        """
        ctf = self.ctf
        if ctf is not None:
            u, v = (values + changes[:, 5] for values in (ctf.defocus_u_angstrom, ctf.defocus_v_angstrom))
            ctf = replace(ctf, defocus_u_angstrom=u, defocus_v_angstrom=v)
        return replace(
            self,
            rotations=Rotation.from_rotvec(changes[:, :3]).as_matrix() @ self.rotations,
            shifts_angstrom=self.shifts_angstrom + changes[:, 3:5] * self.box_pixel_size_angstrom,
            ctf=ctf,
        )

    def take(self, indices: Sequence[int]) -> Particles:
        """Return some of the particles."""
        chosen = np.asarray(indices, np.int64)
        return replace(
            self,
            images=SomeImages(self.images, chosen),
            rotations=self.rotations[chosen],
            shifts_angstrom=self.shifts_angstrom[chosen],
            ctf=None if self.ctf is None else self.ctf[chosen],
            halves=None if self.halves is None else self.halves[chosen],
            optics_group=self.optics_group[chosen],
        )

    def describe(self) -> str:
        """Return what they are in one line."""
        n, box, _ = self.images.shape
        kind = KINDS.get(self.data_sign, "of a sign to be found")
        groups = f", {len(self.optics_names)} optics groups" if len(self.optics_names) > 1 else ""
        flipped = ", phase-flipped" if self.phase_flipped else ""
        return f"{n} particles of {box} × {box} px, {self.pixel_size_angstrom:g} Å per pixel, {kind}{groups}{flipped}"


@dataclass(frozen=True, eq=False)
class SomeImages:
    """Some of other images, in another order."""

    others: ParticleImages
    indices: Integers

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images and their sides."""
        return len(self.indices), *self.others.shape[1:]

    def read(self, indices: Sequence[int]) -> FloatArray:
        """Return images (k, box, box)."""
        return self.others.read([int(i) for i in self.indices[list(indices)]])


def evenly_spread(particles: Particles, n: int) -> list[int]:
    """Return the indices of at most ``n`` particles, evenly spread over all."""
    return [int(i) for i in np.unique(np.linspace(0, len(particles) - 1, min(n, len(particles))).astype(int))]


def box_choices(particles: Particles) -> list[tuple[int, float]]:
    """Return boxes in pixels that particles may be read in, as stored first, each with its Nyquist limit in Å."""
    stored = particles.images.shape[1]
    extent = stored * particles.pixel_size_angstrom
    boxes = sorted({2 * round(part * stored / 2) for part in BOX_PARTS}, reverse=True)
    return [(box, 2 * extent / box) for box in boxes if box >= SMALLEST_CHOICE_PX or box == stored]


def montage(particles: Particles, n: int, *, gap_px: int = 2) -> FloatArray:
    """Return one image of at most ``n`` particles, evenly spread over all, in rows of a square with gaps of 0."""
    chosen = evenly_spread(particles, n)
    box, columns = particles.box_px, int(np.ceil(np.sqrt(len(chosen))))
    rows = -(-len(chosen) // columns)
    side = box + gap_px
    cells = np.zeros((rows * columns, side, side), np.float32)
    cells[: len(chosen), :box, :box] = particles.read(chosen)
    whole = cells.reshape(rows, columns, side, side).swapaxes(1, 2).reshape(rows * side, columns * side)
    return whole[: rows * side - gap_px, : columns * side - gap_px].copy()


def background(box_px: int) -> npt.NDArray[np.bool_]:
    """Return which pixels (box, box) lie outside the particle."""
    axis = np.arange(box_px) - box_px // 2
    outside: npt.NDArray[np.bool_] = np.hypot(axis[:, None], axis) > BACKGROUND_RADIUS * box_px / 2
    return outside


def normalised(images: FloatArray) -> FloatArray:
    """Return images (k, box, box) whose background has mean 0 and deviation 1; constant ones are only moved."""
    pixels = images[:, background(images.shape[1])].astype(np.float64)
    mean, deviation = pixels.mean(1), pixels.std(1)
    deviation[deviation < 1e-12 * np.maximum(np.abs(mean), 1e-30)] = 1
    return np.asarray((images - mean[:, None, None]) / deviation[:, None, None], np.float32)


def fourier_cropped(images: FloatArray, box_px: int) -> FloatArray:
    """Return images (k, box, box) of the same extent in fewer pixels, intensities kept; the box's centre stays."""
    size = images.shape[-1]
    spectrum = fft.fftshift(fft.fft2(fft.ifftshift(images, axes=(-2, -1))), axes=(-2, -1))
    low = size // 2 - box_px // 2
    inner = spectrum[..., low : low + box_px, low : low + box_px].copy()
    if box_px < size:  # the last frequency of an even box stands for both signs, of which only one was kept
        inner[..., 0, :] = 0
        inner[..., :, 0] = 0
    cropped = fft.fftshift(fft.ifft2(fft.ifftshift(inner, axes=(-2, -1))), axes=(-2, -1)).real
    return np.asarray(cropped * (box_px / size) ** 2, np.float32)
