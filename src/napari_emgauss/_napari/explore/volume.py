"""A whole reconstruction as a layer of cubic voxels."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss._napari.viewer.virtual import volume_for_layer

LOOKS = ("contrast_limits", "colormap", "gamma")


def add_isotropic(viewer: Any, model: OpenModel, like: Any | None) -> Any:
    """Add the model as a virtual volume that looks like the layer ``like``, and return its layer."""
    rec, volume = model.reconstruction, volume_for_layer(model.reconstruction, viewer)
    looks = {"contrast_limits": rec.display_range} if like is None else {name: getattr(like, name) for name in LOOKS}
    place = model.placement.attributes(volume.voxel_size_nm, rec.origin_nm)
    return viewer.add_image(volume, name=f"{model.name} (isotropic)", **place, **looks)
