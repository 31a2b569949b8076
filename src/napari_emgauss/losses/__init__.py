"""Training losses between a rendered and an observed section."""

from napari_emgauss.losses.photometric import d_ssim, l1, photometric_loss
from napari_emgauss.losses.quadratic import least_squares, quadratic_model, quadratic_models

__all__ = ["d_ssim", "l1", "least_squares", "photometric_loss", "quadratic_model", "quadratic_models"]
