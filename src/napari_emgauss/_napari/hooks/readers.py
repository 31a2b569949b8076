"""Readers: models as isotropic volumes drawn on demand, and volumes with their voxel sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_emgauss._napari.viewer.layers import LayerData, LayerPlacement, to_layer

Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_model_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader if ``path`` is one ``.emgauss`` model."""
    return _read_model if _single(path, (".emgauss",)) else None


def get_volume_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader if ``path`` is one MRC file, OME-Zarr folder, or OME-TIFF stack that states its voxel size.

    Other TIFF files are left to napari.
    """
    if isinstance(path, str) and path.lower().endswith((".ome.tif", ".ome.tiff")):
        return _read_volume if _states_voxel_size(path) else None
    return _read_volume if _single(path, (".mrc", ".rec", ".map", ".zarr")) else None


def get_nifti_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader if ``path`` is one NIfTI file."""
    return _read_nifti if isinstance(path, str) and path.lower().endswith((".nii", ".nii.gz")) else None


def get_particles_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader if ``path`` is one table of particles, of RELION or cryoSPARC."""
    return _read_particles if _single(path, (".star", ".cs")) else None


def _states_voxel_size(path: str) -> bool:
    from napari_emgauss.io import read_voxel_size

    try:
        return None not in read_voxel_size(path)
    except (OSError, ValueError):  # damaged, or no grey-level stack
        return False


def _single(path: str | Sequence[str], suffixes: tuple[str, ...]) -> bool:
    return isinstance(path, str) and Path(path).suffix.lower() in suffixes


def _read_model(path: str | Sequence[str]) -> list[LayerData]:
    import napari

    from napari_emgauss._napari.viewer.particles import map_to_layer
    from napari_emgauss._napari.viewer.slice_results import result_to_layer
    from napari_emgauss._napari.viewer.virtual import volume_for_layer
    from napari_emgauss.methods.gem import GaussianMap
    from napari_emgauss.methods.registry import load
    from napari_emgauss.methods.svr import SliceReconstruction

    reconstruction, name = load(str(path)), Path(str(path)).stem
    if isinstance(reconstruction, GaussianMap):
        return [map_to_layer(reconstruction.map(), name, reconstruction)]
    if isinstance(reconstruction, SliceReconstruction):
        return [result_to_layer(reconstruction.volume(), reconstruction, name)]
    volume = volume_for_layer(reconstruction, napari.current_viewer())
    attributes = LayerPlacement().attributes(volume.voxel_size_nm, reconstruction.origin_nm) | {
        "name": name,
        # Known without drawing a plane, which can take seconds.
        "contrast_limits": reconstruction.display_range,
        "metadata": {"napari-emgauss": dict(reconstruction.record)},
    }
    return [(volume, attributes, "image")]


def _read_particles(path: str | Sequence[str]) -> list[LayerData]:
    from napari_emgauss._napari.viewer.particles import particles_to_layer
    from napari_emgauss.io.particles import read_particles

    return [particles_to_layer(read_particles(str(path)), Path(str(path)).stem)]


def _read_nifti(path: str | Sequence[str]) -> list[LayerData]:
    from napari_emgauss._napari.viewer.space import read_nifti_layers

    return read_nifti_layers(Path(str(path)))


def _read_volume(path: str | Sequence[str]) -> list[LayerData]:
    from napari_emgauss.io import read

    name = Path(str(path)).name
    for suffix in (".zarr", ".tif", ".tiff", ".ome", ".mrc", ".rec", ".map"):
        name = name.removesuffix(suffix)
    return [to_layer(read(str(path)), name)]
