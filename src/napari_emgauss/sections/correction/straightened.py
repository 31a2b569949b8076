"""A stack whose sections are corrected when they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray, Region
from napari_emgauss.errors import VolumeError
from napari_emgauss.io.source import forward_slices
from napari_emgauss.sections.correction.corrections import Corrections
from napari_emgauss.volume import Volume


class CorrectedSections:
    """The sections of a volume, corrected: an array-like (Z, Y, X) of float32 in the stack's units.

    Integers, slices and lists of sections can be asked for, and parts of them. One section is read and corrected at a
    time, and of a part no more than it depends on.
    """

    ndim = 3
    dtype = np.dtype(np.float32)

    def __init__(self, volume: Volume, corrections: Corrections) -> None:
        self._volume, self._corrections = volume, corrections
        self.shape = volume.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> FloatArray:
        first, *rest = key if isinstance(key, tuple) else (key,)
        chosen: int | AnyArray = np.arange(self.shape[0])[first]
        (rows, columns), left_to_do = forward_slices(tuple(rest), self.shape[1:])
        region = (rows.start, rows.stop, columns.start, columns.stop)
        steps = (slice(None, None, rows.step), slice(None, None, columns.step))

        def part(index: int) -> FloatArray:
            return np.asarray(self._section(index, region)[steps][left_to_do], np.float32)

        if np.ndim(chosen) == 0:
            return part(int(chosen))
        parts = [part(int(index)) for index in np.ravel(chosen)]
        return np.stack(parts) if parts else np.empty((0, *self.shape[1:]), np.float32)[(slice(None), *rest)]

    def _section(self, index: int, region: Region) -> FloatArray:
        if region[0] == region[1] or region[2] == region[3]:
            return np.empty((region[1] - region[0], region[3] - region[2]), np.float32)
        around = self._corrections.surroundings(index, region, self.shape[1:])
        image = self._volume.recorded(index, around)
        return self._corrections.apply(index, image, region, corner=(around[0], around[2]))


def corrected(volume: Volume, corrections: Corrections) -> Volume:
    """Return the volume, every section corrected when it is read; itself if there is nothing to correct.

    Raises
    ------
    VolumeError
        The corrections are of another number of sections.
    """
    if corrections.n_sections != volume.n_sections:
        raise VolumeError(
            f"the corrections are of {corrections.n_sections} sections, the stack has {volume.n_sections}. "
            "Choose the stack that they were estimated on."
        )
    if corrections.is_none:
        return volume
    return replace(volume, data=CorrectedSections(volume, corrections), source=None)
