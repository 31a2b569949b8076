"""Sets of 2D Gaussians: parameters, initialisation, densification and pruning."""

from napari_emgauss.gaussians.density import DensityConfig, DensityControl
from napari_emgauss.gaussians.initialise import anchored_grid, canonical_grid, spacing_for
from napari_emgauss.gaussians.planar import Gaussians, conics_from

__all__ = [
    "DensityConfig",
    "DensityControl",
    "Gaussians",
    "anchored_grid",
    "canonical_grid",
    "conics_from",
    "spacing_for",
]
