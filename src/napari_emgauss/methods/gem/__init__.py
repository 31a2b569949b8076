"""GEM: the density map of a molecule as 3D Gaussians, from cryo-EM particles with known poses."""

from napari_emgauss.methods.gem.config import GemConfig
from napari_emgauss.methods.gem.draft import MapDraft
from napari_emgauss.methods.gem.reconstruction import GaussianMap
from napari_emgauss.methods.gem.train import reconstruct_particles

__all__ = ["GaussianMap", "GemConfig", "MapDraft", "reconstruct_particles"]
