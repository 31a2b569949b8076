"""What flow is worth where motion is lost between sections twice as far apart.

Flow follows what moves by less than about half of its own distance to the next of its kind. A hidden section is
predicted from sections twice as far apart as those that flow will have to do with. Where motion is lost between them
and is not at the distance itself, hidden sections say that flow is worth nothing, and are wrong. But on both sides of
a hidden section there are two that are neighbours: the motion that led from one to the other, carried on, predicts it
too, and saw nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.mixture.fusion import PLAIN, Stack
from napari_emgauss.interpolation.mixture.shares import best_shares, error_products
from napari_emgauss.interpolation.plain import Interpolator, moved_on

LOST = 0.5
"""Motion is lost if with the motion of neighbours flow has less than this share of its squared error."""


class SteadyMotion:
    """Hidden sections as flow predicts them with the motion of neighbours.

    Parameters
    ----------
    names
        The candidates.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._flows = [k for k, name in enumerate(names) if name in PLAIN and name.startswith("flow")]
        self._names = names
        size = len(names)
        self._far, self._near = np.zeros((size, size)), np.zeros((size, size))

    def see(self, sections: Stack, index: int, candidates: FloatArray) -> None:
        """Take note of ``candidates`` (k, Y, X) for section ``index``, unless it is near an end of ``sections``."""
        moved = carried_on(sections, index)
        if moved is None:
            return
        truth, interpolator = sections.sections[index], Interpolator(moved[None])
        steady = candidates.copy()
        for k in self._flows:
            steady[k] = interpolator.by(self._names[k]).section(0)
        self._far += error_products(list(candidates), truth)
        self._near += error_products(list(steady), truth)

    @property
    def lost(self) -> bool:
        """Whether motion is lost between hidden sections."""
        far, near = (min(products[k, k] for k in self._flows) for products in (self._far, self._near))
        return bool(near < LOST * far)

    def mended(self, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the ``shares`` that hidden sections ask for, mended if motion is lost between them.

        Then they are unfair to flow, which had the wrong motion; but with the motion of neighbours they would be unfair
        to networks, which had to predict across twice the distance. So networks have the mean of both, and plain
        candidates share the rest as they should with the motion of neighbours.
        """
        if not self.lost:
            return shares
        plain = np.array([name in PLAIN for name in self._names])
        mended = np.where(plain, 0, (shares + best_shares(self._near)) / 2)
        mended[plain] = (1 - mended.sum()) * best_shares(self._near[np.ix_(plain, plain)])
        return mended


def carried_on(stack: Stack, index: int) -> FloatArray | None:
    """Predict section ``index`` (Y, X) from its neighbours, each moved on as it moved from the section behind it.

    None at the ends, where two sections do not lie on both sides.
    """
    if not 2 <= index < len(stack.sections) - 2:
        return None
    z = np.arange(len(stack.sections)) if stack.z is None else np.asarray(stack.z)
    moved = []
    for near, behind in ((index - 1, index - 2), (index + 1, index + 2)):
        share = (z[index] - z[near]) / (z[near] - z[behind])
        moved.append(moved_on(stack.sections[near], stack.sections[behind], float(share)))
    return np.asarray((moved[0] + moved[1]) / 2, np.float32)
