"""Point groups of molecules."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import ConfigError

LARGEST_ORDER = 60


def symmetry_operators(name: str) -> npt.NDArray[np.float64]:
    """Return the rotations (g, 3, 3) of x, y, z of the group Cn (about z) or Dn (about z and x), the identity first.

    Raises
    ------
    ConfigError
        Any other name.
    """
    match = re.fullmatch(r"([CD])([1-9]\d?)", name.strip().upper())
    if match is None or int(match[2]) > LARGEST_ORDER:
        raise ConfigError(f"symmetry must be C1..C{LARGEST_ORDER} or D1..D{LARGEST_ORDER}, got {name!r}.")
    order = int(match[2])
    turns = Rotation.from_euler("z", 360 / order * np.arange(order)[:, None], degrees=True).as_matrix()
    if match[1] == "C":
        return np.asarray(turns)
    flip = Rotation.from_euler("x", 180, degrees=True).as_matrix()
    return np.concatenate([turns, turns @ flip])
