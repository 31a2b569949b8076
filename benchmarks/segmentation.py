"""One fixed segmentation: boundary map, seeds in the middle of what it encloses, watershed; and its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, gaussian_filter, label
from skimage.metrics import adapted_rand_error, variation_of_information
from skimage.segmentation import find_boundaries, watershed

FloatArray = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer]

SEED_BLUR_PX = 1.0
"""Blur of the distance map before seeds are cut from it."""


@dataclass(frozen=True)
class Watershed:
    """Settings of the watershed."""

    threshold: float = 0.5
    """Boundary probability above which a voxel is a wall for the seeds."""
    core_px: float = 4.0
    """Seeds are the connected parts further than this from every wall."""


@dataclass(frozen=True)
class SegmentationScore:
    """Agreement with true labels; all are better when smaller."""

    split: float
    """Conditional entropy of the segmentation given the truth, bits: objects cut into pieces."""
    merge: float
    """Conditional entropy of the truth given the segmentation, bits: objects run together."""
    adapted_rand: float
    """Adapted Rand error, 0 to 1."""

    @property
    def variation(self) -> float:
        """Variation of information, bits."""
        return self.split + self.merge


def boundaries(labels: Labels) -> npt.NDArray[np.bool_]:
    """Voxels at either side of a change of label."""
    return np.asarray(find_boundaries(labels, mode="thick"))


def segment(boundary: FloatArray, settings: Watershed) -> Labels:
    """Labels (Z, Y, X), every voxel in some object.

    Parameters
    ----------
    boundary
        Probability of a boundary (Z, Y, X).
    settings
        Settings.
    """
    distance_px = distance_transform_edt(boundary <= settings.threshold).astype(np.float32)
    seeds, n_seeds = label(gaussian_filter(distance_px, SEED_BLUR_PX) > settings.core_px)
    if n_seeds == 0:
        return np.ones(boundary.shape, np.int32)
    return np.asarray(watershed(boundary, seeds))


def score(truth: Labels, found: Labels) -> SegmentationScore:
    """Compare a segmentation with true labels; voxels whose true label is 0 are not counted."""
    truth = np.asarray(truth, np.int64)
    split, merge = variation_of_information(truth, found, ignore_labels=(0,))  # type: ignore[no-untyped-call]
    error, _, _ = adapted_rand_error(truth, found, ignore_labels=(0,))  # type: ignore[no-untyped-call]
    return SegmentationScore(float(split), float(merge), float(error))


def scores(
    boundary: FloatArray, truth: Labels, candidates: Sequence[Watershed], threads: int = 1
) -> dict[Watershed, tuple[SegmentationScore, int]]:
    """Score and number of objects of each watershed; ``threads`` of them are made at the same time."""

    def tried(settings: Watershed) -> tuple[SegmentationScore, int]:
        found = segment(boundary, settings)
        return score(truth, found), int(found.max())

    with ThreadPoolExecutor(threads) as pool:
        return dict(zip(candidates, pool.map(tried, candidates), strict=True))


def best(tried: Mapping[Watershed, tuple[SegmentationScore, int]]) -> Watershed:
    """The settings of the smallest variation of information."""
    return min(tried, key=lambda settings: tried[settings][0].variation)


def overlap(truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> float:
    """Intersection over union of two masks; 1 if both are empty."""
    union = int(np.count_nonzero(truth | found))
    return 1.0 if union == 0 else int(np.count_nonzero(truth & found)) / union
