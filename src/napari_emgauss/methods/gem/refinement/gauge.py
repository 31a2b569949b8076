"""What images cannot tell: a map that turns and moves together with all of its views."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

Numbers = npt.NDArray[np.float64]


def without_drift(changes: Numbers, rotations: Numbers) -> Numbers:
    """Return changes (n, 6) of views less the turn and the shift of the map that they have in common.

    Halves are refined apart: without it their maps would come to lie differently.

    Parameters
    ----------
    changes
        As `fit_views` returns them.
    rotations
        R (n, 3, 3) before the changes.
    """
    found = changes.copy()
    own = np.einsum("nij,ni->nj", rotations, changes[:, :3])  # Rᵀ ω: the turn about the map's axes
    back = Rotation.from_rotvec(-own.mean(0)).as_matrix()
    turned = Rotation.from_rotvec(changes[:, :3]).as_matrix() @ rotations @ back
    found[:, :3] = Rotation.from_matrix(turned @ rotations.transpose(0, 2, 1)).as_rotvec()
    views = rotations[:, :2].reshape(-1, 3)
    place = np.linalg.lstsq(views, changes[:, 3:5].ravel(), rcond=None)[0]
    found[:, 3:5] -= (views @ place).reshape(-1, 2)
    return found
