"""``napari-emgauss export``: write the isotropic volume of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write the isotropic volume of a model."""

    model: Positional[Path]
    """Model file (.emgauss)."""
    output: Positional[Path]
    """Volume: .ome.tif, .ome.zarr or .mrc."""
    voxel_size_nm: tuple[float, float, float] | None = None
    """Voxel size z y x in nanometres; isotropic, at the section's pixel size, by default."""
    overwrite: bool = False
    """Replace an existing output."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Write the isotropic volume of a model."""
        from napari_emgauss.cli.outputs import check_outputs, export_volume
        from napari_emgauss.methods.registry import load

        check_outputs([self.output], inputs=[self.model], overwrite=self.overwrite)
        export_volume(load(self.model).lazy(self.voxel_size_nm), self.output, overwrite=self.overwrite)
        return 0
