"""A whole reconstruction as a layer of cubic voxels, on the layer of its stack."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss._napari.viewer.removal import is_ours
from napari_emgauss._napari.viewer.virtual import VirtualVolume, volume_for_layer
from napari_emgauss.errors import VoxelSizeError
from napari_emgauss.methods.emgauss import Draft, Reconstruction

LOOKS = ("contrast_limits", "colormap", "gamma")


def add_isotropic(viewer: Any, model: OpenModel, like: Any | None) -> Any:
    """Add the model as a virtual volume that looks like the layer ``like``, and return its layer."""
    rec, volume = model.reconstruction, volume_for_layer(model.reconstruction, viewer)
    looks = {"contrast_limits": rec.display_range} if like is None else {name: getattr(like, name) for name in LOOKS}
    place = model.placement.attributes(volume.voxel_size_nm, rec.origin_nm)
    return viewer.add_image(volume, name=model.layer_name("isotropic"), **place, **looks)


def isotropic_layer_of(viewer: Any, reconstruction: Reconstruction | Draft) -> Any | None:
    """Return the layer that draws a reconstruction whole, None if there is none."""
    layers = (layer for layer in viewer.layers if isinstance(layer.data, VirtualVolume))
    return next((layer for layer in layers if layer.data.reconstruction is reconstruction), None)


def stack_layer_of(viewer: Any, reconstruction: Reconstruction | Draft) -> Any | None:
    """Return the layer that has the voxels a reconstruction was trained on, None if there is none."""
    from napari.layers import Image

    for layer in viewer.layers:
        if not isinstance(layer, Image) or layer.ndim != 3 or layer.rgb or layer.multiscale or is_ours(layer):
            continue
        try:
            nm = LayerPlacement.of(layer).nm_per_unit
        except VoxelSizeError:
            continue
        same_size = np.allclose(np.asarray(layer.scale) * nm, reconstruction.voxel_size_nm, rtol=1e-4)
        if tuple(layer.data.shape) == reconstruction.shape and same_size:
            return layer
    return None
