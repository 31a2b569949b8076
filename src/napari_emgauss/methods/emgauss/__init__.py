"""EMGauss: z read as time, 2D Gaussians that deform continuously along it."""

from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.estimate import Estimate, estimate
from napari_emgauss.methods.emgauss.examination import corrected_like, describe_sections
from napari_emgauss.methods.emgauss.file import load
from napari_emgauss.methods.emgauss.presets import PRESETS, preset
from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
from napari_emgauss.methods.emgauss.teacher import describe_evidence
from napari_emgauss.methods.emgauss.train import reconstruct
from napari_emgauss.runtime.device import choose_device

__all__ = [
    "PRESETS",
    "EmgaussConfig",
    "Estimate",
    "Reconstruction",
    "choose_device",
    "corrected_like",
    "describe_evidence",
    "describe_sections",
    "estimate",
    "load",
    "preset",
    "reconstruct",
]
