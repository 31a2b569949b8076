"""Sample data: a phantom made here, and a real stack from its public home."""

from __future__ import annotations

from pathlib import Path

from napari_emgauss._napari.viewer.layers import LayerData, to_layer
from napari_emgauss.phantoms import Acquisition, brain_phantom, phantom, simulate_stacks
from napari_emgauss.volume import Volume


def anisotropic_phantom() -> list[LayerData]:
    """Return a synthetic EM volume of which every sixth section is kept."""
    return [to_layer(phantom().every(6), "EM phantom")]


def moving_brain() -> list[LayerData]:
    """Return three stacks of thick slices of a synthetic brain that moved, with their masks."""
    from napari_emgauss._napari.viewer.space import stack_to_layers

    truth, mask = brain_phantom((48, 56, 48), voxel_size_mm=1.5)
    acquisition = Acquisition(thickness_mm=4.5, pixel_mm=1.5)
    stacks = simulate_stacks(truth, mask, acquisition).stacks
    layers = [stack_to_layers(stack, thickness_mm=stack.thickness_mm) for stack in stacks]
    return [*(image for image, _ in layers), *(labels for _, labels in layers)]


def molecule_particles() -> list[LayerData]:
    """Return simulated cryo-EM particles of a molecule that does not exist."""
    from napari_emgauss._napari.viewer.particles import particles_to_layer
    from napari_emgauss.forward.simulation import phantom_particles

    return [particles_to_layer(phantom_particles(), "Particles of a molecule")]


def fib25() -> list[LayerData]:
    """Return every sixth section of a FIB-SEM volume of the fly's medulla; downloaded (2.3 MB) the first time.

    Raises
    ------
    DownloadError
        It could not be downloaded; the message says why.
    """
    from napari_emgauss._napari.hooks import fib25 as source
    from napari_emgauss._napari.hooks.download import cached
    from napari_emgauss.io import read

    folder = cached(
        cache_folder() / f"fib25-{source.COMMIT[:12]}", source.BASE_URL, source.FILES, title="Downloading FIB-25 sample"
    )
    stack = read(folder, voxel_size_nm=source.VOXEL_SIZE_NM)
    sample = Volume(stack.data, stack.voxel_size_nm, metadata={"attribution": dict(source.ATTRIBUTION)})
    return [to_layer(sample, "FIB-25 (fly medulla)")]


def cache_folder() -> Path:
    """Return the user's folder for files that can be downloaded again."""
    import pooch

    return Path(pooch.os_cache("napari-emgauss"))
