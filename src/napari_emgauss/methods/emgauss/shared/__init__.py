"""A training that other processes share: described in its folder, opened from there, drawn box by box as it comes."""

from napari_emgauss.methods.emgauss.shared.command import command, command_to_go_on
from napari_emgauss.methods.emgauss.shared.opening import (
    TILES,
    as_begun,
    check_shareable,
    describe,
    open_draft,
    open_job,
)
from napari_emgauss.methods.emgauss.shared.volume import VolumeInBoxes

__all__ = [
    "TILES",
    "VolumeInBoxes",
    "as_begun",
    "check_shareable",
    "command",
    "command_to_go_on",
    "describe",
    "open_draft",
    "open_job",
]
