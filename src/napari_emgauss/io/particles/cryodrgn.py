"""Particles of cryoDRGN: an MRC stack with poses and CTFs, as .npz or as .pkl."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_emgauss.errors import FileFormatError, ParticlesError
from napari_emgauss.io.guard import check_fits_memory, foreign_errors
from napari_emgauss.io.particles.image_stacks import FileImages, StackFile
from napari_emgauss.particles import CtfParameters, Particles

Numbers = npt.NDArray[np.float64]
_KINDS = "fiu"
_LARGEST_RANK = 4


class ArraysOnly(pickle.Unpickler):
    """An unpickler that makes NumPy's arrays of numbers, and tuples and lists of them, and nothing else.

    A pickle may name any function and have it called; here every name is refused but the three that arrays are made by,
    and those are not NumPy's own but checked ones.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return what makes an array; raises ``UnpicklingError`` for any other name."""
        allowed: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _number_type,
            ("numpy.core.multiarray", "_reconstruct"): _Unfilled,
            ("numpy._core.multiarray", "_reconstruct"): _Unfilled,
            ("numpy.core.numeric", "_frombuffer"): _from_buffer,
            ("numpy._core.numeric", "_frombuffer"): _from_buffer,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it names {module}.{name}; only NumPy arrays are read")
        return allowed[module, name]


class _NumberType:
    """A type of numbers in the making: NumPy's ``dtype`` takes its byte order by ``__setstate__``."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.dtype = np.dtype(str(name))
        if self.dtype.kind not in _KINDS or self.dtype.names is not None:
            raise pickle.UnpicklingError(f"it holds an array of type {self.dtype}; only numbers are read")

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in "<>|=":
            raise pickle.UnpicklingError(f"it holds a byte order {order!r}")
        self.dtype = self.dtype.newbyteorder(order)


def _number_type(name: Any, *_: Any) -> _NumberType:
    return _NumberType(name)


class _Unfilled:
    """An array in the making, filled by ``__setstate__`` from bytes that must be as many as its shape needs."""

    def __init__(self, *_: Any) -> None:
        self.array: Numbers | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _NumberType) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("it holds an array of something else than numbers")
        self.array = _shaped(data, kind, shape, "F" if fortran else "C")


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> Numbers:
    if not isinstance(kind, _NumberType):
        raise pickle.UnpicklingError("it holds an array of something else than numbers")
    return _shaped(bytes(data), kind, shape, str(order))


def _shaped(data: bytes, kind: _NumberType, shape: Any, order: str) -> Numbers:
    sides = tuple(int(side) for side in shape)
    if len(sides) > _LARGEST_RANK or order not in ("C", "F"):
        raise pickle.UnpicklingError(f"it holds an array of shape {sides}")
    flat = np.frombuffer(data, kind.dtype)
    made: Numbers = flat.reshape(sides, order="F" if order == "F" else "C").astype(np.float64)
    return made


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Bytes as protocols 0 to 2 write them."""
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError("it holds a text in an unknown encoding")
    return text.encode("latin1")


def read_arrays(path: Path) -> list[Numbers]:
    """Return the arrays of an .npz, .npy or .pkl file, in their order.

    Raises
    ------
    FileFormatError
        It holds anything but arrays of numbers; a pickle is never allowed to call what it names.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Check the path.")
    check_fits_memory(path, 3 * path.stat().st_size, what="the table")
    with foreign_errors(path, "arrays"):
        if path.suffix == ".pkl":
            made = ArraysOnly(io.BytesIO(path.read_bytes())).load()
            return [_finished(item) for item in (made if isinstance(made, tuple | list) else [made])]
        loaded = np.load(path, allow_pickle=False)
        arrays = [loaded] if isinstance(loaded, np.ndarray) else [loaded[name] for name in loaded.files]
        return [np.asarray(array, np.float64) for array in arrays]


def _finished(item: Any) -> Numbers:
    array = item.array if isinstance(item, _Unfilled) else item
    if not isinstance(array, np.ndarray):
        raise FileFormatError(f"it holds a {type(item).__name__} where an array is needed")
    return array


def read_poses(path: Path) -> tuple[Numbers, Numbers]:
    """Return rotations (n, 3, 3), and shifts (n, 2) as parts of the box, zero where the file has none."""
    arrays = read_arrays(path)
    rotations = _only(arrays, lambda a: a.ndim == 3 and a.shape[1:] == (3, 3), f"{path} must hold rotations (n, 3, 3)")
    n = len(rotations)
    shifts = next((a for a in arrays if a.shape == (n, 2)), np.zeros((n, 2)))
    if np.abs(shifts).max(initial=0) > 1:
        raise ParticlesError(f"the shifts of {path} must be parts of the box, got up to {np.abs(shifts).max():g}.")
    return rotations, shifts


def read_ctf(path: Path) -> tuple[CtfParameters, float, float]:
    """Return CTFs, the pixel size in Å and the box in pixels that an array (n, 9) of cryoDRGN holds."""
    table = _only(read_arrays(path), lambda a: a.ndim == 2 and a.shape[1] == 9, f"{path} must hold CTFs (n, 9)")
    box, pixel = table[:, 0], table[:, 1]
    if np.ptp(pixel) > 1e-4 * pixel.max() or np.ptp(box) > 0:
        raise ParticlesError(
            f"the CTFs of {path} are of pixel sizes of {pixel.min():g} to {pixel.max():g} Å and boxes of {box.min():g} "
            f"to {box.max():g} px; all must have one. Rescale the images, or reconstruct the groups one by one."
        )
    parameters = CtfParameters(
        defocus_u_angstrom=table[:, 2],
        defocus_v_angstrom=table[:, 3],
        defocus_angle_deg=table[:, 4],
        voltage_kv=table[:, 5],
        cs_mm=table[:, 6],
        amplitude_contrast=table[:, 7],
        phase_shift_deg=table[:, 8],
        b_factor=np.zeros(len(table)),
    )
    return parameters, float(pixel[0]), float(box[0])


def read_cryodrgn(
    path: Path, *, poses: Path | None, ctf: Path | None, pixel_size_angstrom: float | None, with_ctf: bool
) -> Particles:
    """Read a stack with poses and CTFs; see `read_particles`."""
    if poses is None or (with_ctf and ctf is None):
        raise ParticlesError(
            f"{path} holds images only. Pass poses (--poses) and ctf (--ctf), .npz or cryoDRGN's .pkl, or give the "
            ".star or .cs file of the particles."
        )
    stack = StackFile.open(path)
    n, box, _ = stack.shape
    rotations, shifts = read_poses(poses)
    parameters, pixel = None, pixel_size_angstrom
    if ctf is not None and with_ctf:
        parameters, own_pixel, own_box = read_ctf(ctf)
        # Of images that were binned after their CTF was fitted, the table has the box before.
        pixel = own_pixel * own_box / box if pixel is None else pixel
    if pixel is None:
        raise ParticlesError(
            f"{path} does not tell the pixel size reliably. Pass pixel_size_angstrom (--pixel-size-angstrom)."
        )
    return Particles(
        images=FileImages.open([path], np.zeros(n, np.int64), np.arange(n)),
        pixel_size_angstrom=float(pixel),
        rotations=rotations,
        shifts_angstrom=shifts * box * float(pixel),
        ctf=parameters,
        source=path.name,
    )


def _only(arrays: list[Numbers], fits: Callable[[Numbers], bool], rule: str) -> Numbers:
    found = [array for array in arrays if fits(array)]
    if len(found) != 1:
        raise ParticlesError(f"{rule}, got {', '.join(str(a.shape) for a in arrays) or 'nothing'}.")
    return found[0]
