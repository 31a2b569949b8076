"""The layer that an export makes."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.volume import Volume

LAYER_KEPT = ("colormap", "gamma", "interpolation2d", "interpolation3d")
"""What the new layer takes over from the stack's, besides contrast and place."""


def add_result(viewer: Any, volume: Volume, model: OpenModel, part: Planes) -> str:
    """Add ``volume``, exported from ``part`` of ``model``, over the stack and looking like it.

    Returns
    -------
    The layer's name.
    """
    source = model.source_layer
    limits = model.reconstruction.display_range if source is None else tuple(source.contrast_limits)
    like = {} if source is None else {name: getattr(source, name) for name in LAYER_KEPT}
    layer = viewer.add_image(
        volume.data,
        name=model.layer_name("exported draft" if model.is_draft else "exported"),
        contrast_limits=part.conversion.limits(*limits),
        metadata=dict(volume.metadata),
        **model.placement.attributes(volume.voxel_size_nm, volume.origin_nm),
        **like,
    )
    return str(layer.name)
