"""The sections around a z, as they are and carried to that z by optical flow."""

from __future__ import annotations

from functools import lru_cache, partial

import cv2
import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.plain import _as_bytes, optical_flow

_KEPT_FLOWS = 8


class SurroundingSections:
    """Neighbouring sections of any z in ``sections`` (n, Y, X); beyond the ends the last one repeats.

    The latest flows are kept: walking along z computes each once.
    """

    def __init__(self, sections: FloatArray, *, reach: int) -> None:
        self.sections = sections
        self.reach = reach
        self._flow = lru_cache(maxsize=_KEPT_FLOWS)(partial(_flow, sections))
        height, width = sections.shape[1:]
        self._grid = np.mgrid[:height, :width].astype(np.float32)

    def straight(self, lower: int) -> FloatArray:
        """Return the sections (2·reach, Y, X) around the gap above section ``lower``, untouched."""
        indices = np.arange(lower - self.reach + 1, lower + self.reach + 1)
        return self.sections[np.clip(indices, 0, len(self.sections) - 1)]

    def aligned(self, lower: int, phase: float) -> FloatArray:
        """Return the same sections, each sampled where the optical flow says it shows what is at ``lower + phase``."""
        below = self._carried(lower, lower + 1, phase, step=-1)
        above = self._carried(lower + 1, lower, 1 - phase, step=1)
        return np.stack(below[::-1] + above)

    def _carried(self, near: int, far: int, share: float, *, step: int) -> list[FloatArray]:
        """Return section ``near`` and those beyond it, carried ``share`` of the way towards ``far``."""
        place = self._grid - np.float32(share) * np.moveaxis(self._flow(near, far), 2, 0)
        images = [_sample(self.sections[near], place)]
        index = near
        while len(images) < self.reach:
            following = index + step
            if not 0 <= following < len(self.sections):
                images.append(images[-1])
                continue
            # One composed map and one bicubic sampling: sampling twice would blur.
            flow = self._flow(index, following)
            place = place + np.stack([_sample(flow[..., axis], place, cv2.INTER_LINEAR) for axis in (0, 1)])
            index = following
            images.append(_sample(self.sections[index], place))
        return images


def _flow(sections: FloatArray, start: int, end: int) -> FloatArray:
    return optical_flow(*_as_bytes(sections[start], sections[end]))


def _sample(image: FloatArray, place: FloatArray, kind: int = cv2.INTER_CUBIC) -> FloatArray:
    values = cv2.remap(np.ascontiguousarray(image), place[1], place[0], kind, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, np.float32)
