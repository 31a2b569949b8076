"""The window and constants of SSIM as 3DGS trains on it (Wang et al. 2004, for a data range of 1)."""

from __future__ import annotations

import math

RADIUS = 5
SIGMA_PX = 1.5
C1 = 0.01**2
C2 = 0.03**2

_samples = [math.exp(-(k**2) / (2 * SIGMA_PX**2)) for k in range(-RADIUS, RADIUS + 1)]
WINDOW = tuple(sample / math.fsum(_samples) for sample in _samples)
"""Weights of the 11 taps; they sum to 1."""
