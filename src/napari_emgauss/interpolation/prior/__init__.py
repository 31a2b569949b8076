"""A network that has learned from openly licensed isotropic volume EM how tissue continues between two sections.

It comes with the package (`MODEL_CARD.md`) and learns nothing from the stack itself. How far to trust it on a stack is
for hidden sections to say: see `mixture.gather_evidence`.
"""

from napari_emgauss.interpolation.prior.interpolator import Contrast, PriorInterpolator
from napari_emgauss.interpolation.prior.network import PriorConfig, PriorNetwork
from napari_emgauss.interpolation.prior.weights import load_prior

__all__ = ["Contrast", "PriorConfig", "PriorInterpolator", "PriorNetwork", "load_prior"]
