"""``napari-emgauss export``: write the isotropic volume of a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from napari_emgauss.errors import ConfigError

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss import Reconstruction
    from napari_emgauss.methods.gem import GaussianMap
    from napari_emgauss.methods.svr import SliceReconstruction
    from napari_emgauss.resampling.planes import Planes


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write the isotropic volume of a model."""

    model: Positional[Path]
    """Model file (.emgauss)."""
    output: Positional[Path]
    """Volume: .ome.tif, .ome.zarr or .mrc; .nii or .nii.gz for a model of slices (svr), .mrc for one of particles."""
    voxel_size_nm: tuple[float, float, float] | None = None
    """Voxel size z y x in nanometres; isotropic, at the section's pixel size, by default."""
    voxel_size_mm: float | None = None
    """Voxel size of a model of slices in millimetres; that of its settings by default."""
    even: bool = False
    """Soften observed sections to what lies between, so that sharp and smooth planes do not take turns along z."""
    shards: bool = False
    """Write .ome.zarr box by box in shards: the same command goes on after an interruption. Above 2 GiB by itself."""
    workers: int = 1
    """Processes that draw; more than 1 write in shards."""
    overwrite: bool = False
    """Replace an existing output."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Write the isotropic volume of a model."""
        from napari_emgauss.cli.outputs import check_outputs, export_volume, wants_shards, write_in_boxes
        from napari_emgauss.io.files import fingerprint
        from napari_emgauss.methods.registry import load

        check_outputs([self.output], inputs=[self.model], overwrite=self.overwrite)
        model = load(self.model)
        if self.even and not hasattr(model, "observed"):
            raise ConfigError("--even is for models of stacks of sections. Leave it out.")
        if hasattr(model, "half_maps"):
            self._write_map(model)
        elif hasattr(model, "volume"):
            self._write_world_volume(model)
        elif self.voxel_size_mm is not None:
            raise ConfigError("--voxel-size-mm is for models of slices (svr). Give --voxel-size-nm z y x instead.")
        else:
            planes = planes_of(model, self.voxel_size_nm, even=self.even)
            if wants_shards(planes, self.output, shards=self.shards, workers=self.workers):
                write_in_boxes(
                    partial(planes_of_model, self.model, self.voxel_size_nm, even=self.even),
                    self.output,
                    workers=self.workers,
                    fingerprint=fingerprint([self.model], self.voxel_size_nm, *["even"] * self.even),
                    overwrite=self.overwrite,
                )
            else:
                export_volume(planes.volume(), self.output, overwrite=self.overwrite)
        return 0

    def _write_map(self, model: GaussianMap) -> None:
        from napari_emgauss.cli.display import plain_console

        if self.voxel_size_nm is not None or self.voxel_size_mm is not None:
            raise ConfigError("a map of particles (gem) has the voxels of its particles. Leave the voxel size out.")
        density = model.map()
        density.write(self.output, overwrite=self.overwrite)
        n, size = density.shape[0], density.pixel_size_angstrom
        plain_console().print(f"{n} × {n} × {n} voxels of {size:.4g} Å: {self.output}")

    def _write_world_volume(self, model: SliceReconstruction) -> None:
        from napari_emgauss.cli.display import plain_console
        from napari_emgauss.io.stacks.nifti import checked_target

        checked_target(self.output)
        if self.voxel_size_nm is not None:
            raise ConfigError("--voxel-size-nm is for stacks of sections. Give --voxel-size-mm for a model of slices.")
        volume = model.volume(self.voxel_size_mm)
        volume.write(self.output, overwrite=self.overwrite)
        z, y, x = volume.values.shape
        plain_console().print(f"{z} × {y} × {x} voxels of {volume.spacing_mm[0]:.3g} mm: {self.output}")


def planes_of_model(path: Path, voxel_size_nm: tuple[float, float, float] | None, *, even: bool) -> Planes:
    """Return what a model draws: called in every process that does."""
    from napari_emgauss.methods.registry import load

    return planes_of(load(path), voxel_size_nm, even=even)


def planes_of(model: Reconstruction, voxel_size_nm: tuple[float, float, float] | None, *, even: bool) -> Planes:
    """Return the planes of a model, observed sections softened or not."""
    from napari_emgauss.resampling.evened import EvenedSections
    from napari_emgauss.resampling.planes import Planes

    return Planes(EvenedSections(model, model.observed) if even else model, voxel_size_nm)
