"""Sets of 2D and 3D Gaussians: parameters, algebra, initialisation, densification and pruning."""

from napari_emgauss.gaussians.algebra import GaussianTerms, condition, conics, convolve, marginalise, transform
from napari_emgauss.gaussians.density import DensityConfig, DensityControl
from napari_emgauss.gaussians.initialise import anchored_grid, canonical_grid, spacing_for
from napari_emgauss.gaussians.planar import Gaussians, conics_from
from napari_emgauss.gaussians.solid import SolidGaussians

__all__ = [
    "DensityConfig",
    "DensityControl",
    "GaussianTerms",
    "Gaussians",
    "SolidGaussians",
    "anchored_grid",
    "canonical_grid",
    "condition",
    "conics",
    "conics_from",
    "convolve",
    "marginalise",
    "spacing_for",
    "transform",
]
