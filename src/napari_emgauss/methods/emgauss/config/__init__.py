"""The settings of EMGauss, a class per concern."""

from napari_emgauss.methods.emgauss.config.groups import BlocksConfig, SectionsConfig, TeacherConfig, TrainingConfig
from napari_emgauss.methods.emgauss.config.model import AnchoredModelConfig, MlpModelConfig, ModelConfig
from napari_emgauss.methods.emgauss.config.whole import FIELDS, MODELS, EmgaussConfig, combined, inert

__all__ = [
    "FIELDS",
    "MODELS",
    "AnchoredModelConfig",
    "BlocksConfig",
    "EmgaussConfig",
    "MlpModelConfig",
    "ModelConfig",
    "SectionsConfig",
    "TeacherConfig",
    "TrainingConfig",
    "combined",
    "inert",
]
