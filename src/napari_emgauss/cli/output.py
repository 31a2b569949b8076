"""``napari-emgauss render``, ``export`` and ``interpolate``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from napari_emgauss._types import FloatArray
from napari_emgauss.cli.commands import Export, Interpolate, Render
from napari_emgauss.errors import ConfigError, FileFormatError
from napari_emgauss.io import WRITABLE_SUFFIXES, read, write
from napari_emgauss.io.atomic import replacing
from napari_emgauss.methods.emgauss import load
from napari_emgauss.volume import Volume


def refuse_existing(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Raise `FileExistsError` before any work is done, unless outputs may be replaced."""
    for path in paths:
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists. Choose another name, or add --overwrite to replace it.")


def check_writable(path: Path) -> None:
    """Raise `FileFormatError` before any work is done, unless the volume can be written under this name."""
    if not path.name.lower().endswith(tuple(WRITABLE_SUFFIXES)):
        raise FileFormatError(f"a volume is written as {', '.join(WRITABLE_SUFFIXES)}, got {path.name!r}.")


def render(options: Render) -> int:
    """Draw one section to an image file."""
    refuse_existing([options.output], overwrite=options.overwrite)
    if (options.z is None) == (options.depth_nm is None):
        raise ConfigError("give either --z (section coordinate) or --depth-nm (depth below the first section).")
    model = load(options.model)
    z = options.z if options.z is not None else (options.depth_nm or 0.0) / model.voxel_size_nm[0]
    draw = model.uncertainty if options.uncertainty else model.render
    image = draw(z, region=options.region, zoom=options.zoom)
    dz, dy, dx = model.voxel_size_nm
    write_image(image, options.output, pixel_nm=(dy / options.zoom, dx / options.zoom))
    size = f"{image.shape[0]} × {image.shape[1]} px"
    console = Console(highlight=False, soft_wrap=True, markup=False)
    what = f"expected error (mean {image.mean():.3g}) at" if options.uncertainty else "section"
    console.print(f"{what} z = {z:g} (depth {z * dz:g} nm), {size}: {options.output}")
    return 0


def write_image(image: FloatArray, path: Path, *, pixel_nm: tuple[float, float]) -> None:
    """Write one section as float32 TIFF with its pixel size, or as PNG stretched to its 0.1 and 99.9 percentiles."""
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        import tifffile

        per_cm = (1e7 / pixel_nm[1], 1e7 / pixel_nm[0])
        with replacing(path, overwrite=True, n_bytes=image.nbytes) as temporary:
            tifffile.imwrite(temporary, image, resolution=per_cm, resolutionunit="CENTIMETER")
    elif suffix == ".png":
        import cv2

        low, high = np.percentile(image, (0.1, 99.9))
        grey = np.clip((image - low) * (255 / max(high - low, 1e-12)), 0, 255).astype(np.uint8)
        with replacing(path, overwrite=True, n_bytes=image.nbytes) as temporary:
            temporary.write_bytes(cv2.imencode(".png", grey)[1].tobytes())
    else:
        raise FileFormatError(f"an image is written as .tif or .png, got {path.name!r}.")


def export(options: Export) -> int:
    """Write the isotropic volume of a model."""
    refuse_existing([options.output], overwrite=options.overwrite)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    model = load(options.model)
    export_volume(model.lazy(options.voxel_size_nm), options.output, overwrite=options.overwrite, console=console)
    return 0


def interpolate(options: Interpolate) -> int:
    """Write the isotropic volume of a stack without a model."""
    from napari_emgauss.evaluation import PlainStack

    refuse_existing([options.output], overwrite=options.overwrite)
    check_writable(options.output)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    volume = read(options.stack, voxel_size_nm=options.voxel_size_nm, dataset=options.dataset)
    plain = PlainStack(volume, options.method, leave_out=options.leave_out)
    export_volume(plain.lazy(), options.output, overwrite=options.overwrite, console=console)
    return 0


def export_volume(volume: Volume, path: Path, *, overwrite: bool, console: Console) -> None:
    """Stream the volume to ``path`` with a progress bar; Ctrl-C cancels and leaves nothing behind."""
    cancelled = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    main_thread = threading.current_thread() is threading.main_thread()
    if main_thread:
        signal.signal(signal.SIGINT, lambda *_: cancelled.set())
    try:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task(f"writing {escape(path.name)}", total=volume.shape[0])
            write(
                volume,
                path,
                overwrite=overwrite,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
                cancelled=cancelled.is_set,
            )
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, before)
    z, y, x = volume.shape
    dz, dy, dx = volume.voxel_size_nm
    console.print(f"{z} × {y} × {x} voxels of {dz:g} × {dy:g} × {dx:g} nm: {path}")
