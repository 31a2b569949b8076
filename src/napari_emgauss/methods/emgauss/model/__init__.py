"""Models of blocks: built, kept as tensors and numbers, and rebuilt."""

from napari_emgauss.methods.emgauss.model.building import build_model
from napari_emgauss.methods.emgauss.model.packing import check_packed, packed_state, unpacked_model
from napari_emgauss.methods.emgauss.model.rounding import Steps, rounded, steps_of
from napari_emgauss.methods.emgauss.model.state import BlockShape, model_from_state, model_state, model_values, plan_of
from napari_emgauss.methods.emgauss.model.stored import MemoryModels, Models, StoredModels

__all__ = [
    "BlockShape",
    "MemoryModels",
    "Models",
    "Steps",
    "StoredModels",
    "build_model",
    "check_packed",
    "model_from_state",
    "model_state",
    "model_values",
    "packed_state",
    "plan_of",
    "rounded",
    "steps_of",
    "unpacked_model",
]
