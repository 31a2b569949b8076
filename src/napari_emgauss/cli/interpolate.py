"""``napari-emgauss interpolate``: write the isotropic volume of a stack without a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Interpolate:
    """Write the isotropic volume by interpolation, without a model: at once, plane by plane."""

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
    overwrite: bool = False
    """Replace an existing output."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Write the isotropic volume of a stack without a model."""
        from napari_emgauss.cli.outputs import check_outputs, check_writable, export_volume
        from napari_emgauss.io import read
        from napari_emgauss.resampling.interpolated import InterpolatedStack

        check_outputs([self.output], inputs=[self.stack], overwrite=self.overwrite)
        check_writable(self.output)
        volume = read(self.stack, voxel_size_nm=self.voxel_size_nm, dataset=self.dataset)
        stack = InterpolatedStack(volume, self.method, leave_out=self.leave_out)
        export_volume(stack.lazy(), self.output, overwrite=self.overwrite)
        return 0
