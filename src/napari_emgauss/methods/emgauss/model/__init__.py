"""Models of blocks: built, kept as tensors and numbers, and rebuilt."""

from napari_emgauss.methods.emgauss.model.building import build_model
from napari_emgauss.methods.emgauss.model.state import BlockShape, model_from_state, model_state, model_values, plan_of
from napari_emgauss.methods.emgauss.model.stored import MemoryModels, Models, StoredModels

__all__ = [
    "BlockShape",
    "MemoryModels",
    "Models",
    "StoredModels",
    "build_model",
    "model_from_state",
    "model_state",
    "model_values",
    "plan_of",
]
