"""What instruments make of Gaussians: sections of 2D ones that deform, slices of 3D ones that moved."""

from napari_emgauss.forward.fields import AnchoredField, DeformationField, MlpField
from napari_emgauss.forward.newton import NewtonTarget, newton_step
from napari_emgauss.forward.sections import SectionModel
from napari_emgauss.forward.view import View, draw

__all__ = [
    "AnchoredField",
    "DeformationField",
    "MlpField",
    "NewtonTarget",
    "SectionModel",
    "View",
    "draw",
    "newton_step",
]
