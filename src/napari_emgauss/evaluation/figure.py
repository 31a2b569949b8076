"""Figure of an evaluation: sections, error maps and xz planes side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine

from napari_emgauss._types import FloatArray, Triple
from napari_emgauss.evaluation.views import FigureView
from napari_emgauss.io.atomic import replacing

COLUMN_INCH = 2.05
MARGIN_INCH = 0.32
DPI = 200
ERROR_PERCENTILE = 99.5
GREY_PERCENTILES = (0.5, 99.5)


def draw_figure(
    path: Path,
    truth: FigureView,
    views: Sequence[FigureView],
    means: Mapping[str, str],
    here_db: Mapping[str, float],
    voxel_size_nm: Triple,
) -> None:
    """Write the figure to ``path`` (PNG, PDF, SVG … by the suffix), without touching pyplot's state.

    Parameters
    ----------
    path
        Where to.
    truth, views
        Images of the truth and of each method.
    means
        Each method's scores over all sections, in words.
    here_db
        Each method's PSNR on the section that is shown.
    voxel_size_nm
        Voxel size (z, y, x).
    """
    errors = [np.abs(view.section - truth.section) for view in views]
    grey = tuple(float(v) for v in np.percentile(truth.section, GREY_PERCENTILES))
    error_top = max(float(np.percentile(np.stack(errors), ERROR_PERCENTILE)), 1e-6)
    dz_nm, dy_nm, dx_nm = voxel_size_nm
    heights = [truth.section.shape[0] * dy_nm] * 2 + [truth.xz.shape[0] * dz_nm]
    ratios = [height / (truth.section.shape[1] * dx_nm) for height in heights]
    figure = Figure(
        figsize=(COLUMN_INCH * (len(views) + 1) + MARGIN_INCH, COLUMN_INCH * sum(ratios) + 2.5 * MARGIN_INCH),
        dpi=DPI,
        layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01),
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, len(views) + 1, squeeze=False, height_ratios=ratios)
    _show(axes[0, 0], truth.section, dy_nm / dx_nm, "gray", grey)
    _show(axes[2, 0], truth.xz, dz_nm / dx_nm, "gray", grey)
    axes[0, 0].set_title(f"truth, z voxel {truth.z_voxel}\n(withheld)", fontsize=8)
    axes[1, 0].set_axis_off()
    for column, (view, error) in enumerate(zip(views, errors, strict=True), start=1):
        _show(axes[0, column], view.section, dy_nm / dx_nm, "gray", grey)
        shown = _show(axes[1, column], error, dy_nm / dx_nm, "inferno", (0.0, error_top))
        axes[1, column].set_xlabel(f"{here_db[view.name]:.2f} dB on this section", fontsize=7, labelpad=2)
        _show(axes[2, column], view.xz, dz_nm / dx_nm, "gray", grey)
        axes[0, column].set_title(f"{view.name}\n{means[view.name]}", fontsize=8)
    _label_rows(axes, truth.y_voxel)
    _error_scale(axes[1, 0], shown)
    _scale_bar(axes[0, 0], truth.section.shape, dx_nm)
    with replacing(path, overwrite=True, n_bytes=0) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or "png")


def _show(axes: Axes, image: FloatArray, aspect: float, colours: str, limits: tuple[float, ...]) -> AxesImage:
    axes.set_xticks([])
    axes.set_yticks([])
    return axes.imshow(image, cmap=colours, vmin=limits[0], vmax=limits[1], aspect=aspect, interpolation="nearest")


def _label_rows(axes: np.ndarray[tuple[int, int], np.dtype[np.object_]], y_voxel: int) -> None:
    axes[0, 0].set_ylabel("xy", fontsize=8)
    axes[2, 0].set_ylabel("xz", fontsize=8)
    axes[2, 0].set_xlabel(f"plane at y voxel {y_voxel}", fontsize=7, labelpad=2)


def _error_scale(axes: Axes, shown: AxesImage) -> None:
    """Draw the colour bar of all error maps, in the cell where the truth has no error."""
    inner = axes.inset_axes((0.55, 0.08, 0.09, 0.84))
    bar = axes.figure.colorbar(shown, cax=inner, extend="max")
    inner.yaxis.set_ticks_position("left")
    inner.yaxis.set_label_position("left")
    bar.set_label("|error|, intensities in [0, 1]", fontsize=7)
    inner.tick_params(labelsize=7)


def _scale_bar(axes: Axes, shape: tuple[int, ...], dx_nm: float) -> None:
    """Draw a white bar of a round length, about a quarter of the width, at the lower left."""
    width_nm = shape[1] * dx_nm
    power = 10.0 ** np.floor(np.log10(width_nm / 4))
    length_nm = max(step * power for step in (1, 2, 5) if step * power <= width_nm / 4)
    left, bottom = 0.05 * shape[1], 0.94 * shape[0]
    axes.plot([left, left + length_nm / dx_nm], [bottom, bottom], color="white", linewidth=2.5, solid_capstyle="butt")
    text = f"{length_nm:g} nm" if length_nm < 1000 else f"{length_nm / 1000:g} µm"
    label = axes.text(left, bottom - 0.03 * shape[0], text, color="white", fontsize=7, va="bottom")
    label.set_bbox({"facecolor": "black", "alpha": 0.45, "edgecolor": "none", "pad": 1.0})
