"""Oriented stacks from files: which axis the slices lie along, their thickness, their mask."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.files import read
from napari_emgauss.io.guard import MAX_METADATA_BYTES
from napari_emgauss.io.stacks.nifti import NIFTI_SUFFIXES, is_nifti, read_nifti
from napari_emgauss.slices import SliceStack
from napari_emgauss.slices.affine import Orientation, check_affine, placed_affine, spacing_of
from napari_emgauss.slices.arrays import is_grid_of, mask_on, slice_axis_of

StackPath = str | os.PathLike[str]

_NM_PER_MM = 1e6
_EVENLY_WITHIN_MM = 0.05


def read_stack(
    path: StackPath | Sequence[StackPath],
    *,
    mask: StackPath | AnyArray | None = None,
    thickness_mm: float | None = None,
    slice_axis: int | None = None,
    affine: AnyArray | None = None,
    orientation: Orientation | None = None,
    voxel_size_nm: Any = None,
) -> SliceStack:
    """Read a stack of slices with its place in space.

    Parameters
    ----------
    path
        A NIfTI file (.nii, .nii.gz); a list or a folder of NIfTI files of one slice each, parallel and evenly spaced;
        or any stack that `napari_emgauss.read` reads, with ``affine`` or ``orientation``.
    mask
        What belongs to the object: a NIfTI file on any grid, any other stack of the same shape, or an array
        (slice, row, column). Not zero is inside.
    thickness_mm
        Thickness of a slice. Without it the ``SliceThickness`` of a JSON file beside the stack is taken; where there
        is none, the spacing of the slices, with a warning: the two need not be the same.
    slice_axis
        Axis (0, 1 or 2) of a NIfTI file along which the slices lie. Without it the axis with clearly the largest
        spacing; else the one that the header names; else the third.
    affine
        4 × 4, from (slice, row, column) to RAS millimetres; wins over the file's.
    orientation
        Of stacks that are not NIfTI: their slices, rows and columns lie along the world's axes, around its origin.
    voxel_size_nm
        Of stacks that are not NIfTI and do not state it, (slice, row, column).

    Raises
    ------
    FileNotFoundError
        There is nothing at a path.
    FileFormatError
        A damaged file, or one of another kind.
    VolumeError
        No stack: four axes, NaN, a sheared affine, a mask that is empty or of another shape.
    OutOfMemoryError
        It does not fit.
    """
    if isinstance(path, Sequence) and not isinstance(path, str):
        files = [Path(file) for file in path]
        stack = _join([read_nifti_stack(file, slice_axis) for file in files], _name_of(files))
        first = files[0]
    else:
        first = Path(path)
        stack = _read_one(first, slice_axis, affine, orientation, voxel_size_nm)
    stack = replace(stack, thickness_mm=_thickness(stack, first, thickness_mm))
    if affine is not None:
        stack = replace(stack, affine=affine)
    return stack if mask is None else replace(stack, mask=_mask_of(stack, mask, slice_axis))


def _read_one(
    path: Path, slice_axis: int | None, affine: AnyArray | None, orientation: Orientation | None, voxel_size_nm: Any
) -> SliceStack:
    if is_nifti(path):
        if orientation is not None:
            raise VolumeError(f"{path.name} states its orientation, got orientation={orientation!r}. Leave it out.")
        return read_nifti_stack(path, slice_axis, stated=affine)
    if path.is_dir() and (files := sorted(file for file in path.iterdir() if is_nifti(file))):
        return _join([read_nifti_stack(file, slice_axis) for file in files], path.name)
    if path.is_file() and affine is None and orientation is None:
        raise VolumeError(
            f"{path.name} does not say where its slices are in space. Give orientation='axial' (or coronal, sagittal), "
            "or an affine that maps (slice, row, column) to millimetres."
        )
    volume = read(path, voxel_size_nm=voxel_size_nm)
    if affine is None:
        spacing = np.array(volume.voxel_size_nm) / _NM_PER_MM
        affine = placed_affine(volume.shape, spacing, orientation or "axial")
    place = check_affine(affine, path.name)
    return SliceStack(volume.as_float(), place, _apart(place), name=path.name)


def read_nifti_stack(path: Path, slice_axis: int | None = None, stated: AnyArray | None = None) -> SliceStack:
    """Return a NIfTI file's slices; as thick as they are apart, until more is known."""
    if not is_nifti(path):
        raise FileFormatError(f"{path.name} is no NIfTI file; expected {' or '.join(NIFTI_SUFFIXES)}.")
    image = read_nifti(path)
    if image.affine is None and stated is None:
        raise VolumeError(
            f"{path.name} states no place in space (sform and qform are unset). Pass an affine that maps (slice, row, "
            "column) to RAS millimetres, or set one in the file."
        )
    affine = None if image.affine is None else check_affine(image.affine, path.name)
    spacing = image.spacing_mm if affine is None else spacing_of(affine)
    k = slice_axis_of(image.values.shape, spacing, named=image.slice_axis, wanted=slice_axis)
    order = [k, *sorted({0, 1, 2} - {k}, reverse=True)]
    images = np.ascontiguousarray(image.values.transpose(order))
    place = check_affine(stated if affine is None else affine[:, [*order, 3]], path.name)
    return SliceStack(images, place, _apart(place), name=path.name)


def _apart(affine: AnyArray) -> float:
    return float(spacing_of(affine)[0])


def _name_of(files: Sequence[Path]) -> str:
    if not files:
        raise VolumeError("no files were given. Give at least one.")
    return files[0].parent.name or files[0].name


def _join(parts: Sequence[SliceStack], name: str) -> SliceStack:
    """Put single slices that are parallel and evenly spaced together, in order along their normal."""
    if len(parts) == 1:
        return replace(parts[0], name=name)
    first = parts[0]
    ordered = sorted(parts, key=lambda part: float(part.centre @ first.normal))
    starts = np.array([part.affine[:3, 3] for part in ordered])
    step = (starts[-1] - starts[0]) / (len(parts) - 1)
    grid = first.affine.copy()
    grid[:3, 0], grid[:3, 3] = step, starts[0]
    even = np.abs(starts - (starts[0] + np.arange(len(parts))[:, None] * step)).max() <= _EVENLY_WITHIN_MM
    alike = all(
        part.images.shape == first.images.shape
        and part.n_slices == 1
        and np.allclose(part.affine[:3, 1:3], first.affine[:3, 1:3], atol=1e-4)
        for part in parts
    )
    if not (even and alike and np.linalg.norm(step) > 0):
        raise VolumeError(
            f"{name}: {len(parts)} files do not make one stack: each must have one slice, all parallel, of one size "
            "and evenly spaced. Read those that lie each in a place of its own one by one; a slice can be a stack."
        )
    apart = float(np.linalg.norm(step))
    return SliceStack(np.concatenate([part.images for part in ordered]), grid, apart, name=name)


def _thickness(stack: SliceStack, path: Path, wanted: float | None) -> float:
    if wanted is not None:
        return wanted
    stated = stated_thickness(path)
    if stated is not None:
        return stated
    apart = float(stack.spacing_mm[0])
    warnings.warn(
        f"{stack.name}: the thickness of its slices is not known, and taken to be their spacing, {apart:.4g} mm. With "
        "gaps or overlap it is another: give thickness_mm (--thickness-mm).",
        stacklevel=3,
    )
    return apart


def stated_thickness(path: Path) -> float | None:
    """Return SliceThickness (mm) from the JSON file that converters write beside a NIfTI file, None without any."""
    base = path.name
    for suffix in reversed(NIFTI_SUFFIXES):
        base = base[: -len(suffix)] if base.lower().endswith(suffix) else base
    sidecar = path.with_name(f"{base}.json")
    try:
        if not is_nifti(path) or sidecar.stat().st_size > MAX_METADATA_BYTES:
            return None
        value = json.loads(sidecar.read_text(encoding="utf-8"))["SliceThickness"]
        return float(value) if float(value) > 0 else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def check_order_of_masks(stacks: Sequence[SliceStack], masks: Sequence[StackPath]) -> None:
    """Raise `VolumeError` where masks lie on the grids of other stacks than those that they are given for.

    Parameters
    ----------
    stacks, masks
        In the same order. A mask on a grid of its own may be of any stack.
    """
    swapped = []
    for k, path in enumerate(map(Path, masks)):
        image = read_nifti(path) if is_nifti(path) else None
        if image is None or image.affine is None:
            continue
        fits = [is_grid_of(stack, image.values.shape, image.affine) for stack in stacks]
        if any(fits) and not fits[k]:
            swapped.append(f"{path.name}, which is on the grid of {stacks[fits.index(True)].name}")
    if len(swapped) > 1:
        raise VolumeError(
            f"masks are given in the order of the stacks, but others come first: {'; '.join(swapped)}. Name them in "
            "the order of their stacks."
        )


def _mask_of(stack: SliceStack, mask: Any, slice_axis: int | None) -> AnyArray:
    """Return the mask on the stack's grid (n, h, w)."""
    if not isinstance(mask, (str, os.PathLike)):
        return np.asarray(mask)
    path = Path(mask)
    if not is_nifti(path):
        return read(path, voxel_size_nm=tuple(stack.spacing_mm * _NM_PER_MM)).as_float()
    image = read_nifti(path)
    if image.affine is None:
        raise VolumeError(f"{path.name} states no place in space (sform and qform are unset). Save it again with one.")
    affine = check_affine(image.affine, path.name)[:, [2, 1, 0, 3]]
    return mask_on(stack, image.values.transpose(2, 1, 0), affine, path.name)
