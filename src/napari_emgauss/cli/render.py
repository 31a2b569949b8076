"""``napari-emgauss render``: draw one section at any depth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tyro.conf import Positional

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ConfigError, FileFormatError


@dataclass(frozen=True, kw_only=True)
class Render:
    """Draw one section at any depth."""

    model: Positional[Path]
    """Model file (.emgauss)."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Image: .tif (the stack's intensities as float32) or .png (8-bit, stretched)."""
    z: float | None = None
    """Section coordinate: 0 is the first section, 3.5 lies midway between the fourth and the fifth."""
    depth_nm: float | None = None
    """Depth below the centre of the first section, instead of z."""
    region: tuple[int, int, int, int] | None = None
    """Part of the section: y0 y1 x0 x1 in pixels."""
    zoom: float = 1.0
    """Output pixels per section pixel."""
    uncertainty: bool = False
    """Draw the absolute error to expect instead, in the stack's intensity units."""
    overwrite: bool = False
    """Replace an existing output."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Draw one section to an image file."""
        from napari_emgauss.cli.display import plain_console
        from napari_emgauss.cli.outputs import check_outputs
        from napari_emgauss.methods.registry import load

        check_outputs([self.output], inputs=[self.model], overwrite=self.overwrite)
        if (self.z is None) == (self.depth_nm is None):
            raise ConfigError("give either --z (section coordinate) or --depth-nm (depth below the first section).")
        model = load(self.model)
        if not hasattr(model, "render"):
            raise ConfigError(f"{self.model.name} is no model of a stack of sections. Export its volume instead.")
        dz, dy, dx = model.voxel_size_nm
        z = self.z if self.z is not None else (self.depth_nm or 0.0) / dz
        draw = model.uncertainty if self.uncertainty else model.render
        image = draw(z, region=self.region, zoom=self.zoom)
        write_image(image, self.output, pixel_nm=(dy / self.zoom, dx / self.zoom))
        size = f"{image.shape[0]} × {image.shape[1]} px"
        drawn = f"expected error (mean {image.mean():.3g}) at" if self.uncertainty else "section"
        plain_console().print(f"{drawn} z = {z:g} (depth {z * dz:g} nm), {size}: {self.output}")
        return 0


def write_image(image: FloatArray, path: Path, *, pixel_nm: tuple[float, float]) -> None:
    """Write one section as float32 TIFF with its pixel size, or as PNG stretched to its 0.1 and 99.9 percentiles."""
    from napari_emgauss.io.atomic import replacing
    from napari_emgauss.io.tiff import write_tiff_image

    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        write_tiff_image(image, path, pixel_nm=pixel_nm)
    elif suffix == ".png":
        import cv2

        low, high = np.percentile(image, (0.1, 99.9))
        grey = np.clip((image - low) * (255 / max(high - low, 1e-12)), 0, 255).astype(np.uint8)
        with replacing(path, overwrite=True, n_bytes=image.nbytes) as temporary:
            temporary.write_bytes(cv2.imencode(".png", grey)[1].tobytes())
    else:
        raise FileFormatError(f"an image is written as .tif or .png, got {path.name!r}.")
