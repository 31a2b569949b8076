"""Stacks in files: the format follows from the path, the voxel size from the file or the caller."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_emgauss._types import Triple
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.atomic import IsCancelled, ReportPlanes, check_target, planes, provenance
from napari_emgauss.io.folder import open_folder
from napari_emgauss.io.hdf5 import open_hdf5
from napari_emgauss.io.location import Place, Url, place_of
from napari_emgauss.io.mrc import open_mrc, write_mrc
from napari_emgauss.io.ome_zarr import is_zarr, open_ome_zarr, write_ome_zarr
from napari_emgauss.io.remote import is_n5, open_remote
from napari_emgauss.io.source import Source, supported_dtype
from napari_emgauss.io.tiff import open_tiff, write_ome_tiff
from napari_emgauss.io.voxel_size import PartialTriple, resolve_voxel_size
from napari_emgauss.volume import Volume, check_stack_shape, check_voxel_size

_OPENERS: dict[str, Callable[[Path], Source]] = {
    ".tif": open_tiff,
    ".tiff": open_tiff,
    ".mrc": open_mrc,
    ".rec": open_mrc,
    ".map": open_mrc,
}
_HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
_WRITERS: dict[str, Callable[..., None]] = {
    ".tif": write_ome_tiff,
    ".tiff": write_ome_tiff,
    ".zarr": write_ome_zarr,
    ".mrc": write_mrc,
}
READABLE_SUFFIXES = (*_OPENERS, *_HDF5_SUFFIXES, ".zarr", ".n5")
"""Suffixes `read` knows (a folder of 2D images has none)."""
WRITABLE_SUFFIXES = tuple(_WRITERS)
"""Suffixes `write` knows; .ome.tif, .ome.tiff and .ome.zarr end in them."""


@dataclass(frozen=True, kw_only=True)
class SourceRef:
    """A stack in a file by name: plain data that another process opens again."""

    path: Place
    """An absolute path, or a URL."""

    dataset: str | None = None
    """Name inside an HDF5 file, an N5 or what a URL leads to."""

    voxel_size_nm: Triple | None = None
    """Spacing (z, y, x); the file's by default."""

    def open(self) -> Volume:
        """Return the stack, as `read` does."""
        return read(self.path, voxel_size_nm=self.voxel_size_nm, dataset=self.dataset)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        size = self.voxel_size_nm
        return {
            "path": str(self.path),
            "dataset": self.dataset,
            "voxel_size_nm": None if size is None else list(size),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SourceRef:
        """Inverse of `to_json`; raises `FileFormatError` for anything else."""
        try:
            path, dataset, size = values["path"], values["dataset"], values["voxel_size_nm"]
            if not isinstance(path, str) or not isinstance(dataset, str | None):
                raise TypeError(f"{path!r}, {dataset!r}")
            return cls(
                path=place_of(path),
                dataset=dataset,
                voxel_size_nm=None if size is None else check_voxel_size(size),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"it is not said where the stack is: {error}") from error


def read(path: str | os.PathLike[str], *, voxel_size_nm: Any = None, dataset: str | None = None) -> Volume:
    """Read a stack.

    Parameters
    ----------
    path
        Multi-page TIFF, OME-TIFF or ImageJ TIFF (.tif, .tiff); MRC (.mrc, .rec, .map); HDF5 (.h5, .hdf5, .hdf);
        an OME-Zarr 0.4 or 0.5 folder; or a folder of 2D TIFF, PNG or JPEG images, taken in natural order. With
        ``pip install napari-emgauss[remote]`` also an N5 folder, and the URL of an OME-Zarr or N5: http, https, s3, gs.
    voxel_size_nm
        Spacing (z, y, x) in nanometres; wins over the file's.
    dataset
        Name inside an HDF5 file, needed only if it holds several 3D datasets; or inside an N5, or below a URL.

    Returns
    -------
    Volume
        uint8, uint16, int16 or float32. MRC, HDF5, OME-Zarr and TIFF stay on disk and are read in parts; images of a
        folder are read whole, one by one. Only small stacks that need decoding are read at once.

    Raises
    ------
    FileNotFoundError
        There is nothing at ``path``.
    FileFormatError
        Unknown suffix; truncated, damaged or unsafe file.
    VoxelSizeError
        Neither the file nor the caller gives all three lengths.
    VolumeError
        Not a usable grey-level stack.
    OutOfMemoryError
        It has to be read at once and does not fit.
    ConnectionError, PermissionError
        A server cannot be reached, or wants credentials.
    MissingLibraryError
        A URL or an N5, without the library that reads them.
    """
    place = place_of(path)
    source = _open(place, dataset)
    dtype = supported_dtype(source.dtype, place) if len(source.shape) == 3 else source.dtype
    with _naming(place):
        check_stack_shape(source.shape, dtype)
        voxel = resolve_voxel_size(source.found_nm, voxel_size_nm, path=place, note=source.note)
    return Volume(
        source.load(),
        voxel,
        source.origin_nm,
        {**source.metadata, "file": place.name},
        SourceRef(path=place if isinstance(place, Url) else place.absolute(), dataset=dataset, voxel_size_nm=voxel),
    )


@contextmanager
def _naming(path: Place) -> Iterator[None]:
    """Name the file in what is said of it."""
    try:
        yield
    except VolumeError as error:
        if path.name in str(error):
            raise
        raise type(error)(f"{path.name}: {error}") from error


def read_voxel_size(path: str | os.PathLike[str], *, dataset: str | None = None) -> PartialTriple:
    """Read the voxel size (z, y, x) in nm as far as the file states it, None where it does not; and no intensities.

    Raises
    ------
    FileNotFoundError, FileFormatError, VolumeError
        As `read` does.
    """
    return _open(place_of(path), dataset).found_nm


def write(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    metadata: Mapping[str, Any] | None = None,
    progress: ReportPlanes | None = None,
    cancelled: IsCancelled | None = None,
) -> Path:
    """Write a volume plane by plane; the final name appears only when it is complete.

    Parameters
    ----------
    volume
        ``volume.data`` may compute its planes on demand; each is asked for exactly once.
    path
        .tif, .tiff: OME-TIFF; .zarr: OME-Zarr 0.5, multiscale; .mrc: MRC2014.
    overwrite
        Replace an existing file.
    metadata
        How it was made, plain JSON values; stored in the file together with ``volume.metadata``.
    progress
        Called with (planes done, planes in total).
    cancelled
        Asked before every plane; returning True stops and removes what was written.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    FileFormatError
        Unknown suffix.
    FileExistsError
        ``path`` exists and ``overwrite`` is false.
    WriteCancelled
        ``cancelled`` returned True.
    VolumeError
        Metadata that is not JSON, or a value the format cannot hold.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise FileFormatError(
            f"cannot write {path.name}: its suffix must be one of {', '.join(WRITABLE_SUFFIXES)}, got {path.suffix!r}."
        )
    check_target(path, overwrite=overwrite)
    stored = provenance(volume, metadata)
    writer(volume, path, planes(volume, progress, cancelled), metadata=stored, overwrite=overwrite)
    return path


def fingerprint(paths: Sequence[Path], *settings: object) -> str:
    """Return a digest of files as they are now, by name, size and time, and of what is done with them."""
    seen: list[Any] = []
    for path in paths:
        if isinstance(place_of(path), Url):
            seen.append(path)  # it does not say when it was changed
            continue
        files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
        seen.append([(str(f.absolute()), *((s := f.stat()).st_size, s.st_mtime_ns)) for f in files])
    return hashlib.sha256(repr((seen, settings)).encode()).hexdigest()


def _open(path: Place, dataset: str | None) -> Source:
    if isinstance(path, Url):
        return open_remote(path, dataset=dataset)
    if path.is_dir() and is_n5(path) and not is_zarr(path):
        return open_remote(Url(f"file://{path.absolute().as_posix()}"), dataset=dataset)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. Check the path.")
    suffix = path.suffix.lower()
    if dataset is not None and suffix not in _HDF5_SUFFIXES:
        raise VolumeError(
            f"dataset={dataset!r} names a part of an HDF5 file or N5, and {path.name} is neither. Leave it out."
        )
    if path.is_dir():
        return open_ome_zarr(path) if is_zarr(path) else open_folder(path)
    if not path.is_file():
        raise FileFormatError(f"{path} is no file but a pipe, a socket or a device. Save the stack to a file first.")
    with path.open("rb") as handle:  # an unreadable file is a PermissionError, not a damaged one
        handle.read(1)
    if suffix in _HDF5_SUFFIXES:
        return open_hdf5(path, dataset=dataset)
    opener = _OPENERS.get(suffix)
    if opener is None:
        raise FileFormatError(
            f"cannot read {path.name}: its suffix must be one of {', '.join(READABLE_SUFFIXES)}, got {suffix!r}; "
            "a folder may hold 2D images, OME-Zarr or N5. Convert it to one of these."
        )
    return opener(path)
