"""A network that learns from the stack's own sections how tissue continues, and predicts any z between them.

Along y and x a section is sampled finely: hide all but every f-th of its rows and the rest is training data. What was
learned there is applied along z, to the (z, x) and (z, y) planes. It holds only where tissue looks alike along all
three axes, which `gather_evidence` puts to the test on hidden sections.
"""

from napari_emgauss.interpolation.lateral.calibration import Calibration
from napari_emgauss.interpolation.lateral.config import LateralConfig
from napari_emgauss.interpolation.lateral.evidence import HiddenSection, MixtureEvidence, gather_evidence
from napari_emgauss.interpolation.lateral.fusion import FusedInterpolator
from napari_emgauss.interpolation.lateral.network import LateralInterpolator, LateralNetwork
from napari_emgauss.interpolation.lateral.training import train_lateral

__all__ = [
    "Calibration",
    "FusedInterpolator",
    "HiddenSection",
    "LateralConfig",
    "LateralInterpolator",
    "LateralNetwork",
    "MixtureEvidence",
    "gather_evidence",
    "train_lateral",
]
