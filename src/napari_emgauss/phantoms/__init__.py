"""Synthetic data that tests, demos and benchmarks share."""

from napari_emgauss.phantoms.acquisition import Acquisition, SimulatedStacks, simulate_stacks
from napari_emgauss.phantoms.brain import brain_phantom
from napari_emgauss.phantoms.tissue import phantom

__all__ = ["Acquisition", "SimulatedStacks", "brain_phantom", "phantom", "simulate_stacks"]
