"""The image of a ``sum`` splat to first order in its Gaussians: what small changes of them draw.

Let Σ⁻¹ be written as p² + q² = dᵀΣ⁻¹d, with q = √c (dx + (b / c) dy), p = √(det / c) dy and the conic (a, b, c). A
small change of a Gaussian's weight, mean or covariance draws e = exp(-½ (p² + q²)) times a polynomial of degree two.
The basis used here is {1, p, q, p² - ½, q² - ½, p q}: its products with e are orthogonal for a Gaussian alone, their
squared norms on pixels much smaller than it are A (1, ½, ½, ½, ½, ¼) with A = π √det Σ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from napari_emgauss.render.backends import check_counts, choose_tangent

SQUARED_NORMS = (1.0, 0.5, 0.5, 0.5, 0.5, 0.25)
"""Of the columns of one Gaussian, in units of π √det Σ."""


class Tangent:
    """Linear map from coefficients (N, 6) of the basis above to an image, and its transpose.

    Drawn by the same rules as `splat`: nothing beyond its cut-off, and nothing of degenerate Gaussians.

    Parameters
    ----------
    means_px, conics
        The Gaussians at which the image is linearised, as for `splat`.
    shape
        Height and width of the image, in pixels.
    counts
        Gaussians of each of several images, as for `splat_several`; images are then (K, H, W).
    backend
        ``cpu``: compiled kernels; ``triton``: GPUs; ``torch``: any device; ``auto``: as for `splat`.

    Raises
    ------
    ConfigError, BackendUnavailableError
        For a backend that has no such maps, or does not work here.
    """

    def __init__(
        self,
        means_px: Float[Tensor, "n 2"],
        conics: Float[Tensor, "n 3"],
        shape: tuple[int, int],
        *,
        counts: Sequence[int] | None = None,
        backend: Literal["auto", "cpu", "triton", "torch"] = "auto",
    ) -> None:
        self._single = counts is None
        counts = (len(means_px),) if counts is None else counts
        check_counts(counts, len(means_px))
        self._draw, self._project = choose_tangent(backend, means_px.device)(means_px, conics, counts, shape)

    def draw(self, coefficients: Float[Tensor, "n 6"]) -> Float[Tensor, "*k h w"]:
        """Return the image Σ e · (coefficients · basis), or the images."""
        images = self._draw(coefficients)
        return images.squeeze(0) if self._single else images

    def project(self, image: Float[Tensor, "*k h w"]) -> Float[Tensor, "n 6"]:
        """Return the products of ``image`` with every column: the transpose of `draw`."""
        return self._project(image.unsqueeze(0) if self._single else image)
