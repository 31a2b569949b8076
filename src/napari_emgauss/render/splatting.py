"""The entry points of rasterization, for one image and for several: check their input and hand it to a backend."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.render.backends import Backend, Mode, check_counts, choose_backend, choose_batched


def _check(
    means_px: Tensor, conics: Tensor, weights: Tensor, opacities: Tensor | None, shape: tuple[int, int], backend: str
) -> None:
    """Raise for what no backend can draw."""
    n = means_px.shape[0] if means_px.ndim else 0
    if means_px.shape != (n, 2):
        raise ValueError(f"means_px must have shape (n, 2), columns y and x, got {tuple(means_px.shape)}.")
    if conics.shape != (n, 3):
        raise ValueError(f"conics must have shape ({n}, 3), columns yy, yx, xx of Σ⁻¹, got {tuple(conics.shape)}.")
    if weights.ndim not in (1, 2) or weights.shape[0] != n or 0 in weights.shape[1:]:
        raise ValueError(f"weights must have shape ({n},) or ({n}, d), got {tuple(weights.shape)}.")
    if opacities is not None and opacities.shape != (n,):
        raise ValueError(f"opacities must have shape ({n},), got {tuple(opacities.shape)}.")
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape must be (height, width) in pixels, at least 1 each, got {tuple(shape)}.")
    rest = {"conics": conics, "weights": weights} | ({} if opacities is None else {"opacities": opacities})
    for name, tensor in rest.items():
        if tensor.dtype != means_px.dtype:
            raise TypeError(f"{name} must have the dtype of means_px, {means_px.dtype}, got {tensor.dtype}.")
        if tensor.device != means_px.device:
            raise ValueError(f"{name} must be on the device of means_px, {means_px.device}, got {tensor.device}.")
    allowed = (torch.float32, torch.float64) if backend == "dense" else (torch.float32,)
    if means_px.dtype not in allowed:
        raise TypeError(f"means_px must be float32 (backend 'dense' also takes float64), got {means_px.dtype}.")


def splat(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n"] | Float[Tensor, "n d"],
    shape: tuple[int, int],
    *,
    opacities: Float[Tensor, "n"] | None = None,
    mode: Mode = "sum",
    backend: Backend = "auto",
) -> Float[Tensor, "h w"] | Float[Tensor, "h w d"]:
    """Draw N Gaussians into an image; differentiable in everything but ``shape``.

    With e = exp(-½ dᵀΣ⁻¹d), d the offset of a pixel's centre from the mean:

    - ``sum``: I = Σ o w e;
    - ``alpha``: front to back in index order, I = Σ w α T with α = min(0.999, o e) and T = Π (1 - α) over the Gaussians
      before; α < 1/255 is skipped, and a pixel ends before a Gaussian that would take T to 1e-4 or below. These are
      the rules of gsplat 1.5.3, over a background of 0.

    Parameters
    ----------
    means_px
        Centres (y, x); the centre of pixel (i, j) is at (i, j).
    conics
        Elements yy, yx, xx of Σ⁻¹, in 1/px².
    weights
        Intensity of every Gaussian, or D channels of it.
    shape
        Height and width of the image, in pixels.
    opacities
        o, by default 1; between 0 and 1 in ``alpha`` mode.
    mode
        ``sum`` or ``alpha``.
    backend
        ``auto`` takes ``cpu`` for tensors in main memory, and on a GPU ``gsplat`` (alpha) or ``triton`` (sum; ``torch``
        where triton does not work, which is logged). A backend that is named is used or raises. ``dense`` is the slow
        definition in float64.

    Returns
    -------
    Tensor
        (H, W), or (H, W, D) if ``weights`` has channels.

    Raises
    ------
    ValueError, TypeError
        For shapes, dtypes or devices that do not fit together.
    ConfigError
        For an unknown ``mode`` or ``backend``.
    BackendUnavailableError
        If the backend does not work here; says why.

    Notes
    -----
    Nothing is drawn where e < 1/255 (3.33 standard deviations), in either mode and every backend; a ``sum`` splat's
    integral is therefore 254/255 of 2π √det Σ · w. Gaussians whose mean is not finite, or whose conic is not positive
    definite (det ≤ 0, NaN, infinite), are not drawn and get no gradient.
    """
    _check(means_px, conics, weights, opacities, shape, backend)
    draw = choose_backend(backend, means_px.device, mode)
    channels = weights if weights.ndim == 2 else weights[:, None]
    image = draw(means_px, conics, channels, opacities, (int(shape[0]), int(shape[1])))
    return image if weights.ndim == 2 else image.squeeze(-1)


def splat_several(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n"] | Float[Tensor, "n d"],
    counts: Sequence[int],
    shape: tuple[int, int],
    *,
    opacities: Float[Tensor, "n"] | None = None,
    mode: Mode = "sum",
    backend: Backend = "auto",
) -> Float[Tensor, "k h w"] | Float[Tensor, "k h w d"]:
    """Draw the first ``counts[0]`` Gaussians into one image, the next ``counts[1]`` into another, and so on.

    The images are those of `splat`, which see for the other parameters and what is raised. ``triton`` draws all of
    them at once, the other backends one after the other.

    Raises
    ------
    ValueError
        Also if ``counts`` is empty, has a negative number, or does not add up to N.
    """
    _check(means_px, conics, weights, opacities, shape, backend)
    check_counts(counts, len(means_px))
    draw = choose_batched(backend, means_px.device, mode)
    channels = weights if weights.ndim == 2 else weights[:, None]
    images = draw(means_px, conics, channels, opacities, counts, (int(shape[0]), int(shape[1])))
    return images if weights.ndim == 2 else images.squeeze(-1)
