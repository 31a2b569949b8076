"""Synthetic data that tests, demos and benchmarks share."""

from napari_emgauss.phantoms.acquisition import Acquisition, SimulatedStacks, simulate_stacks
from napari_emgauss.phantoms.brain import brain_phantom
from napari_emgauss.phantoms.molecule import Molecule, phantom_molecule
from napari_emgauss.phantoms.tissue import phantom

__all__ = [
    "Acquisition",
    "Molecule",
    "SimulatedStacks",
    "brain_phantom",
    "phantom",
    "phantom_molecule",
    "simulate_stacks",
]
