"""Layers of particles and of their density maps; each carries what it was drawn from."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_emgauss._napari.viewer.layers import LayerData
from napari_emgauss._types import FloatArray
from napari_emgauss.io.particles.density_map import DensityMap
from napari_emgauss.methods.gem import GaussianMap
from napari_emgauss.metrics.maps import contour_level
from napari_emgauss.particles import Particles, montage

OURS, PARTICLES, MODEL = "napari-emgauss", "particles", "map of Gaussians"
"""Keys of a layer's metadata: how it was made, the particles that it shows, the model that it was drawn from."""
UNIT = "angstrom"
BRIGHTEST = 3.0
"""White in levels of the surface: this has the colour of its level, and is seen on black and on white."""
MOST_SHOWN = 100
SHOWN_PX = 128
"""Particles are shown in boxes of at most this side."""
INSIDE = 0.5
"""A mask's value from which on resolutions are shown."""
_CONTRAST_PERCENT = (0.5, 99.8)


def particles_to_layer(particles: Particles, name: str) -> LayerData:
    """Return the layer data of a square of some particles, evenly spread over all; reads them.

    Raises
    ------
    FileFormatError, OSError
        Images cannot be read.
    """
    small = particles.with_box(min(particles.box_px, SHOWN_PX))
    image = montage(small, MOST_SHOWN)
    low, high = (float(v) for v in np.percentile(image, _CONTRAST_PERCENT))
    side = small.box_pixel_size_angstrom
    attributes = {
        "name": name,
        "scale": (side, side),
        "units": (UNIT,) * 2,
        "axis_labels": ("y", "x"),
        "contrast_limits": (low, high if high > low else low + 1),
        "metadata": {OURS: {"source": particles.source}, PARTICLES: particles},
    }
    return image, attributes, "image"


def particles_of(layer: Any) -> Particles | None:
    """Return the particles of a layer, None if it is another layer."""
    particles = layer.metadata.get(PARTICLES)
    return particles if isinstance(particles, Particles) else None


def map_to_layer(density: DensityMap, name: str, model: GaussianMap | None = None, *, most_px: int = 0) -> LayerData:
    """Return the layer data of a map: a surface in 3D.

    Parameters
    ----------
    density
        The map.
    name
        Of the layer.
    model
        What it was drawn from, if it is a result.
    most_px
        Voxels along a side at most, of which some are left out for it; 0: all of them.
    """
    step = max(-(-len(density.values) // most_px), 1) if most_px else 1
    values = np.ascontiguousarray(density.values[::step, ::step, ::step])
    level = contour_level(values)
    side = density.pixel_size_angstrom * step
    metadata: dict[str, Any] = {OURS: {"map": True} if model is None else dict(model.record)}
    if model is not None:
        metadata[MODEL] = model
    attributes = {
        "name": name,
        "scale": (side,) * 3,
        "translate": density.origin_angstrom,
        "units": (UNIT,) * 3,
        "axis_labels": ("z", "y", "x"),
        "contrast_limits": (0.0, BRIGHTEST * level or 1.0),
        "rendering": "iso",
        "iso_threshold": level,
        "metadata": metadata,
    }
    return values, attributes, "image"


def local_resolution_to_layer(resolution: DensityMap, name: str, mask: FloatArray) -> LayerData:
    """Return the layer data of resolutions in Å within ``mask`` (n, n, n): fine ones blue, coarse ones red."""
    inside = resolution.values[mask > INSIDE]
    low, high = (float(v) for v in np.percentile(inside, _CONTRAST_PERCENT)) if inside.size else (0.0, 1.0)
    side = resolution.pixel_size_angstrom
    attributes = {
        "name": name,
        "scale": (side,) * 3,
        "translate": resolution.origin_angstrom,
        "units": (UNIT,) * 3,
        "axis_labels": ("z", "y", "x"),
        "contrast_limits": (low, high if high > low else low + 1),
        "colormap": "Spectral_r",
        "metadata": {OURS: {"local resolution": True}},
    }
    return np.where(mask > INSIDE, resolution.values, np.float32(high)), attributes, "image"


def map_model_of(layer: Any) -> GaussianMap | None:
    """Return the model of a map's layer, None if it is another layer."""
    model = layer.metadata.get(MODEL)
    return model if isinstance(model, GaussianMap) else None


def gaussians_to_layer(model: GaussianMap, name: str) -> LayerData:
    """Return the layer data of all Gaussians as points at their centres, as large as they are and coloured by peak."""
    table = model.gaussian_table()
    half, x, y, z = table[:, :4].T
    sigma, peak = table[:, 4:7], table[:, -1]
    origin = model.box_px // 2 * model.pixel_size_angstrom
    attributes = {
        "name": name,
        "units": (UNIT,) * 3,
        "axis_labels": ("z", "y", "x"),
        "size": 2 * np.exp(np.log(sigma).mean(1)),
        "features": {"peak": peak, "half": half.astype(int) + 1},
        "face_color": "peak",
        "face_colormap": "viridis",
        "border_width": 0,
        "shading": "spherical",
        "metadata": {OURS: dict(model.record)},
    }
    return np.stack([z, y, x], 1) + origin, attributes, "points"
