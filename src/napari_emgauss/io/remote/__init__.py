"""Stacks behind URLs, and N5: read-only, by TensorStore, which comes with ``napari-emgauss[remote]``."""

from napari_emgauss.io.remote.n5 import is_n5
from napari_emgauss.io.remote.opening import open_remote

__all__ = ["is_n5", "open_remote"]
