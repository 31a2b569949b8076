"""Previews on their way from a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from napari_emgauss.training.events import Preview


class ArrivingPreview:
    """A preview whose image a GPU brings to main memory when it comes to it; nobody waits.

    Parameters
    ----------
    image
        The image as it is drawn, on any device.
    made_of
        Makes the preview of the image in main memory.
    """

    def __init__(self, image: Tensor, made_of: Callable[[Tensor], Preview]) -> None:
        self._made_of = made_of
        self._copied: Any = None
        self._image = image
        if image.device.type == "cuda":
            self._image = torch.empty(image.shape, dtype=image.dtype, pin_memory=True)
            self._image.copy_(image, non_blocking=True)
            event: Any = torch.cuda.Event  # untyped
            self._copied = event()
            self._copied.record()

    @property
    def has_arrived(self) -> bool:
        """Whether `take` need not wait."""
        return self._copied is None or bool(self._copied.query())

    def take(self) -> Preview:
        """Return the preview, once the image is there."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._made_of(self._image)
