"""Central slices of a map's Fourier transform: the spectra of its projections, and how they change with the view."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.gridding import EXACT, ComplexArray, gather, to_fourier_space

Numbers = npt.NDArray[np.float64]


class CentralSlices:
    """Spectra of the projections of a map, about voxel n // 2.

    Parameters
    ----------
    volume
        Map (n, n, n), z y x. It is kept as grids of twice the side: 128 bytes per voxel.
    """

    def __init__(self, volume: FloatArray) -> None:
        n = volume.shape[0]
        self.box_px = n
        grids = np.empty((2 * n, 2 * n, n + 1, 4), np.complex64)
        grids[..., 0] = to_fourier_space(volume, EXACT, 2 * n)
        axis = (np.arange(n, dtype=np.float32) - n // 2) * np.float32(2 * np.pi / n)
        for number, along in enumerate((axis, axis[:, None], axis[:, None, None])):  # x, y, z
            grids[..., 1 + number] = to_fourier_space(volume * along, EXACT, 2 * n)
        self._parts = grids.view(np.float32)

    def spectra(self, xy: npt.NDArray[np.int64], rotations: Numbers) -> tuple[ComplexArray, ComplexArray]:
        """Return coefficients (k, f) of projections, and their derivatives (k, f, 3) by turns about x, y, z in radians.

        Parameters
        ----------
        xy
            Frequencies (f, 2) in cycles per box.
        rotations
            R (k, 3, 3) of every projection; turned by ω it is exp(ω) R.
        """
        parts = np.empty((len(rotations), len(xy), 8), np.float32)
        for own, rotation in zip(parts, rotations, strict=True):
            gather(2.0 * (xy @ rotation[:2])[:, ::-1], self._parts, EXACT.table, EXACT.reach, own)
        found = parts.view(np.complex64)
        # With k = (kx, ky, 0) and the gradient g in the image's frame, dF = -ω · (k × g).
        gx, gy, gz = np.einsum("kij,kfj->ikf", rotations.astype(np.float32), -1j * found[..., 1:])
        kx, ky = xy.T.astype(np.float32)
        return found[..., 0], np.stack([-ky * gz, kx * gz, ky * gx - kx * gy], -1)
