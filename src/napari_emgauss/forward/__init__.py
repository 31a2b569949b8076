"""From Gaussians and a section coordinate to a predicted image."""

from napari_emgauss.forward.fields import AnchoredField, DeformationField, MlpField
from napari_emgauss.forward.sections import SectionModel
from napari_emgauss.forward.view import View, draw

__all__ = ["AnchoredField", "DeformationField", "MlpField", "SectionModel", "View", "draw"]
