"""Training losses between a rendered and an observed section."""

from napari_emgauss.losses.photometric import d_ssim, l1, photometric_loss

__all__ = ["d_ssim", "l1", "photometric_loss"]
