"""Reading and writing of stacks."""

from napari_emgauss.io.atomic import WriteCancelled, WritePaused
from napari_emgauss.io.files import READABLE_SUFFIXES, WRITABLE_SUFFIXES, SourceRef, read, read_voxel_size, write

__all__ = [
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "SourceRef",
    "WriteCancelled",
    "WritePaused",
    "read",
    "read_voxel_size",
    "write",
]
