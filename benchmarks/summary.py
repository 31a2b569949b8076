"""Gain of a reconstruction over the strongest plain baseline of the same crop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Scores = Mapping[str, Any]
"""Scores of one method on one crop: ``method``, ``psnr_db``, ``ssim``, ``fsim``, ``xz_ssim``, ``yz_ssim`` …"""


@dataclass(frozen=True)
class Gain:
    """Differences to the best plain value of the same crop, of FSIM to linear's; NaN where one was not measured."""

    strongest: str
    """Plain method of the highest PSNR."""
    psnr_db: float
    ssim: float
    fsim: float
    xz_ssim: float
    yz_ssim: float


@dataclass(frozen=True)
class Summary:
    """Gains of one method over several crops."""

    n: int
    psnr_db: float
    psnr_db_min: float
    ssim: float
    ssim_min: float
    fsim_min: float
    xz_ssim_min: float
    yz_ssim_min: float

    def shortfalls(self) -> list[str]:
        """Names of the measures in which a crop was below its best plain baseline (FSIM: below linear)."""
        names = ("psnr_db_min", "ssim_min", "fsim_min", "xz_ssim_min", "yz_ssim_min")
        shown = ("PSNR", "SSIM", "FSIM", "xz SSIM", "yz SSIM")
        return [text for name, text in zip(names, shown, strict=True) if getattr(self, name) < 0]


def gain(own: Scores, plain: Iterable[Scores]) -> Gain:
    """What ``own`` gains on one crop.

    PSNR is compared with the highest PSNR among the plain methods, SSIM with the highest SSIM among them and so on,
    even if these are different methods: the choice of the baseline is the plain methods' advantage.

    Raises
    ------
    ValueError
        No plain method, or no linear one, was scored.
    """
    rivals = list(plain)
    linear = next((r for r in rivals if r["method"] == "linear"), None)
    if linear is None:
        names = ", ".join(str(r["method"]) for r in rivals) or "none"
        raise ValueError(f"a gain needs the plain methods' scores, linear among them; got {names}. Measure them first.")
    best = {name: max(float(r[name]) for r in rivals) for name in ("ssim", "xz_ssim", "yz_ssim")}
    strongest = max(rivals, key=lambda r: float(r["psnr_db"]))
    return Gain(
        strongest=str(strongest["method"]),
        psnr_db=float(own["psnr_db"]) - float(strongest["psnr_db"]),
        fsim=float(own["fsim"]) - float(linear["fsim"]),
        **{name: float(own[name]) - value for name, value in best.items()},
    )


def summarise(gains: Iterable[Gain]) -> Summary:
    """Means and minima over crops.

    Raises
    ------
    ValueError
        There is no crop.
    """
    rows = list(gains)
    if not rows:
        raise ValueError("a summary needs the gain on one crop at least, got none. Measure a crop first.")

    def mean(name: str) -> float:
        return float(np.mean([getattr(row, name) for row in rows]))

    def least(name: str) -> float:
        return float(np.min([getattr(row, name) for row in rows]))  # NaN if one was not measured

    return Summary(
        n=len(rows),
        psnr_db=mean("psnr_db"),
        psnr_db_min=least("psnr_db"),
        ssim=mean("ssim"),
        ssim_min=least("ssim"),
        fsim_min=least("fsim"),
        xz_ssim_min=least("xz_ssim"),
        yz_ssim_min=least("yz_ssim"),
    )
