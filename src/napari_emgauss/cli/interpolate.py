"""``napari-emgauss interpolate``: write the isotropic volume of a stack without a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

if TYPE_CHECKING:
    from napari_emgauss.resampling.planes import Planes
    from napari_emgauss.volume import VolumeSource


@dataclass(frozen=True, kw_only=True)
class Interpolate:
    """Write the isotropic volume by interpolation, without a model, in memory that does not grow with the stack."""

    stack: Positional[Path]
    """The stack."""
    output: Positional[Path]
    """Volume: .ome.tif, .ome.zarr or .mrc."""
    method: str = "linear+blur0.7"
    """learned (by the network that has learned from other volumes), or plain, which a reconstruction has to beat:
    nearest, linear, cubic or flow (optical flow), each with +blurSIGMA if wanted."""
    leave_out: tuple[int, ...] = ()
    """Damaged sections (counted from 0) to ignore."""
    voxel_size_nm: tuple[float, float, float] | None = None
    """Voxel size z y x of the stack in nanometres; needed where the file does not say."""
    dataset: str | None = None
    """Name of the dataset in an HDF5 file with several."""
    shards: bool = False
    """Write .ome.zarr box by box in shards: the same command goes on after an interruption. Above 2 GiB by itself."""
    workers: int = 1
    """Processes that draw; more than 1 write in shards."""
    overwrite: bool = False
    """Replace an existing output."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Write the isotropic volume of a stack without a model."""
        from napari_emgauss.cli.outputs import (
            check_outputs,
            check_writable,
            export_volume,
            wants_shards,
            write_in_boxes,
        )
        from napari_emgauss.io import read
        from napari_emgauss.io.files import fingerprint
        from napari_emgauss.resampling.learned import LEARNED

        check_outputs([self.output], inputs=[self.stack], overwrite=self.overwrite)
        check_writable(self.output)
        volume = read(self.stack, voxel_size_nm=self.voxel_size_nm, dataset=self.dataset)
        make = partial(planes_of_stack, volume.source, self.method, self.leave_out)
        planes, whole = make(), self.method != LEARNED
        if wants_shards(planes, self.output, shards=self.shards, workers=self.workers, whole_planes=whole):
            write_in_boxes(
                make,
                self.output,
                workers=self.workers,
                whole_planes=whole,
                fingerprint=fingerprint([self.stack], self.method, self.leave_out, volume.voxel_size_nm),
                overwrite=self.overwrite,
            )
        else:
            export_volume(planes.volume(), self.output, overwrite=self.overwrite)
        return 0


def planes_of_stack(source: VolumeSource | None, method: str, leave_out: tuple[int, ...]) -> Planes:
    """Return what is interpolated: called in every process that does."""
    from napari_emgauss.resampling.interpolated import InterpolatedStack

    assert source is not None  # it was read from a file
    return InterpolatedStack(source.open(), method, leave_out=leave_out).planes()
