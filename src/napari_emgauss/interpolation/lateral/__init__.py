"""A network that learns from the stack's own sections how tissue continues, and predicts any z between them.

Along y and x a section is sampled finely: hide all but every f-th of its rows and the rest is training data. What was
learned there is applied along z, to the (z, x) and (z, y) planes. It holds only where tissue looks alike along all
three axes, which hidden sections put to the test (`mixture.gather_evidence`).
"""

from napari_emgauss.interpolation.lateral.config import LateralConfig
from napari_emgauss.interpolation.lateral.network import LateralInterpolator, LateralNetwork
from napari_emgauss.interpolation.lateral.training import train_lateral

__all__ = ["LateralConfig", "LateralInterpolator", "LateralNetwork", "train_lateral"]
