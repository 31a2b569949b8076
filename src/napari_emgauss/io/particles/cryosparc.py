"""Particles of cryoSPARC: .cs files, NumPy's structured arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import FileFormatError, ParticlesError
from napari_emgauss.io.guard import check_fits_memory, foreign_errors
from napari_emgauss.io.particles.image_stacks import FileImages, resolve_stacks
from napari_emgauss.particles import CtfParameters, Particles

Rows = npt.NDArray[Any]
POSE, SHIFT, SHIFT_PIXEL, SPLIT = (f"alignments3D/{name}" for name in ("pose", "shift", "psize_A", "split"))
_CTF = {
    "defocus_u_angstrom": ("ctf/df1_A", 1.0),
    "defocus_v_angstrom": ("ctf/df2_A", 1.0),
    "defocus_angle_deg": ("ctf/df_angle_rad", 180 / np.pi),
    "voltage_kv": ("ctf/accel_kv", 1.0),
    "cs_mm": ("ctf/cs_mm", 1.0),
    "amplitude_contrast": ("ctf/amp_contrast", 1.0),
    "phase_shift_deg": ("ctf/phase_shift_rad", 180 / np.pi),
    "b_factor": ("ctf/bfactor", 1.0),
}
_NOT_APPLIED = ("ctf/tilt_A", "ctf/trefoil_A", "ctf/tetra_A", "ctf/anisomag", "ctf/shift_A")


def read_table(path: Path) -> Rows:
    """Read a .cs file.

    Raises
    ------
    FileFormatError
        It is of cryoSPARC's second format, or no .cs file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Check the path.")
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x95CSDAT"):
        raise FileFormatError(
            f"{path} is of cryoSPARC's compressed format (CSDAT), which is not read here. Save it as a NumPy array: "
            "cryosparc.dataset.Dataset.load(path).save(new_path, format=cryosparc.dataset.NUMPY_FORMAT)."
        )
    check_fits_memory(path, path.stat().st_size, what="the table")
    with foreign_errors(path, "a .cs file"):
        rows: Rows = np.load(path, allow_pickle=False)
        if rows.dtype.names is None or rows.ndim != 1:
            raise ValueError(f"it holds an array of type {rows.dtype} and shape {rows.shape}, not a table")
    if not len(rows):
        raise FileFormatError(f"{path} lists no particles.")
    return rows


def joined(rows: Rows, passthrough: Rows, path: Path) -> dict[str, Rows]:
    """Return the columns of both tables, those of the second found by the particles' ``uid``.

    Raises
    ------
    ParticlesError
        A table has no ``uid``, or the second lacks particles of the first.
    """
    for table in (rows, passthrough):
        _require(table.dtype.names or (), ["uid"], path)
    order = np.argsort(passthrough["uid"], kind="stable")
    at = np.searchsorted(passthrough["uid"], rows["uid"], sorter=order)
    chosen = order[np.minimum(at, len(order) - 1)]
    missing = passthrough["uid"][chosen] != rows["uid"]
    if missing.any():
        raise ParticlesError(
            f"the passthrough table lacks {int(missing.sum())} of the {len(rows)} particles of {path}, by their uid. "
            "Give the table of the same job."
        )
    own = {name: rows[name] for name in rows.dtype.names or ()}
    return {name: passthrough[name][chosen] for name in passthrough.dtype.names or ()} | own


def rotations_of_pose(pose: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return matrices (n, 3, 3) of cryoSPARC's rotation vectors (n, 3): x, y of the image are (R x)₀₁."""
    matrices: npt.NDArray[np.float64] = Rotation.from_rotvec(np.asarray(pose, np.float64)).as_matrix()
    return matrices.transpose(0, 2, 1)


def ctf_of(columns: dict[str, Rows], path: Path) -> CtfParameters:
    """Return the parameters of the CTFs; raises `ParticlesError` naming the columns that are missing."""
    optional = ("ctf/phase_shift_rad", "ctf/bfactor")
    _require(columns, [column for column, _ in _CTF.values() if column not in optional], path)
    n = len(next(iter(columns.values())))
    values = {
        name: factor * columns[column].astype(np.float64) if column in columns else np.zeros(n)
        for name, (column, factor) in _CTF.items()
    }
    return CtfParameters(**values)


def read_cryosparc(
    path: Path,
    *,
    folders: Sequence[Path],
    passthrough: Path | None,
    pixel_size_angstrom: float | None,
    with_ctf: bool,
    ignore_aberrations: bool,
) -> Particles:
    """Read the particles of a .cs file; see `read_particles`."""
    rows = read_table(path)
    columns = {name: rows[name] for name in rows.dtype.names or ()}
    if passthrough is not None:
        columns = joined(rows, read_table(passthrough), path)
    _require(columns, [POSE, SHIFT], path)
    _require(columns, ["blob/path", "blob/idx", "blob/psize_A"], path)
    asked = [name for name in _NOT_APPLIED if name in columns and np.any(columns[name])] if with_ctf else []
    if asked and not ignore_aberrations:
        raise ParticlesError(
            f"{path} asks for what is not applied here: {', '.join(asked)}. "
            "Pass ignore_aberrations=True (--ignore-aberrations) to reconstruct without."
        )
    sizes = columns["blob/psize_A"].astype(np.float64)
    pixel = float(sizes[0]) if pixel_size_angstrom is None else float(pixel_size_angstrom)
    if pixel_size_angstrom is None and np.ptp(sizes) > 1e-4 * pixel:
        raise ParticlesError(
            f"the particles of {path} have pixel sizes of {sizes.min():g} to {sizes.max():g} Å (blob/psize_A); all "
            "must have one. Rescale them, or reconstruct the groups one by one."
        )
    # Shifts are in pixels of the images that were aligned, which may have been binned.
    aligned = columns.get(SHIFT_PIXEL, sizes).astype(np.float64)
    names = [_name(text) for text in columns["blob/path"]]
    distinct = list(dict.fromkeys(names))
    found, order = resolve_stacks(distinct, folders), {name: n for n, name in enumerate(distinct)}
    groups, group_of = np.unique(columns.get("ctf/exp_group_id", np.zeros(len(rows), int)), return_inverse=True)
    return Particles(
        images=FileImages.open(
            [found[name] for name in distinct],
            np.array([order[name] for name in names]),
            columns["blob/idx"].astype(np.int64),
        ),
        pixel_size_angstrom=pixel,
        rotations=rotations_of_pose(columns[POSE]),
        shifts_angstrom=columns[SHIFT].astype(np.float64) * aligned[:, None],
        ctf=ctf_of(columns, path) if with_ctf else None,
        halves=_halves(columns),
        optics_group=group_of.astype(np.int64),
        optics_names=tuple(map(str, groups)),
        data_sign=_sign(columns),
        source=path.name,
    )


def _halves(columns: dict[str, Rows]) -> npt.NDArray[np.int64] | None:
    if SPLIT not in columns:
        return None
    split = columns[SPLIT].astype(np.int64)
    return split if set(np.unique(split)) == {0, 1} else None


def _sign(columns: dict[str, Rows]) -> int:
    """1 or -1 where all particles have one; 0 where that is to be found out."""
    signs = np.unique(np.sign(columns["blob/sign"])) if "blob/sign" in columns else np.zeros(1)
    return int(signs[0]) if len(signs) == 1 else 0


def _name(text: bytes | str) -> str:
    name = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return name.removeprefix(">")


def _require(columns: Any, names: Sequence[str], path: Path) -> None:
    missing = [name for name in names if name not in columns]
    if missing:
        raise ParticlesError(
            f"{path} has no column {', '.join(missing)}. If another table of the job has them, pass it as passthrough "
            "(--passthrough)."
        )
