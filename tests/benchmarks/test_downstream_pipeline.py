"""The fixed segmentation and classifier of the downstream benchmark."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.downstream import Halves
from benchmarks.segmentation import Watershed, best, boundaries, overlap, score, scores, segment
from benchmarks.voxel_classifier import VoxelClassifier, eigenvalues, features


@pytest.fixture(scope="module")
def four_cells():
    """Labels 1 to 4: quarters of each plane."""
    labels = np.empty((12, 24, 24), np.int64)
    labels[:, :12, :12], labels[:, :12, 12:], labels[:, 12:, :12], labels[:, 12:, 12:] = 1, 2, 3, 4
    return labels


def test_the_truth_itself_scores_nothing_wrong(four_cells):
    found = score(four_cells, four_cells + 5)
    assert (found.split, found.merge, found.adapted_rand) == (0, 0, 0)


def test_cutting_objects_is_a_split_and_joining_them_a_merge(four_cells):
    halves = four_cells.copy()
    halves[6:] += 4
    cut, joined = score(four_cells, halves), score(four_cells, np.ones_like(four_cells))
    assert (cut.split, cut.merge) == (pytest.approx(1), pytest.approx(0))
    assert (joined.split, joined.merge) == (pytest.approx(0), pytest.approx(2))
    assert cut.variation < joined.variation
    assert 0 < cut.adapted_rand < joined.adapted_rand


def test_unlabelled_voxels_do_not_count(four_cells):
    truth, found = four_cells.copy(), four_cells.copy()
    truth[:, :3], found[:, :3] = 0, 9
    assert score(truth, found).variation == pytest.approx(0)


def test_the_watershed_finds_what_clear_walls_enclose_and_choosing_prefers_it(four_cells):
    wall = gaussian_filter(boundaries(four_cells).astype(np.float32), 0.7)
    good, blind = Watershed(0.4, 3.0), Watershed(0.999, 3.0)
    found = segment(wall, good)
    assert found.max() == 4
    assert score(four_cells, found).variation < 0.1
    assert segment(wall, blind).max() == 1
    assert best(scores(wall, four_cells, [blind, good], threads=2)) == good


def test_no_seed_at_all_gives_one_object():
    assert (segment(np.ones((4, 8, 8), np.float32), Watershed()) == 1).all()


def test_the_overlap_of_masks():
    a, b = np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)
    assert overlap(a, b) == pytest.approx(1 / 3)
    assert overlap(a, a) == 1
    assert overlap(a, ~a) == 0


def test_the_classifier_learns_dark_blobs_and_carries_over_to_another_volume():
    def blobs(seed):
        rng = np.random.default_rng(seed)
        mask = gaussian_filter(rng.standard_normal((16, 40, 40)), 3) > 0.05
        noise = rng.normal(0, 15, mask.shape)
        return np.clip(np.where(mask, 90, 150) + noise, 0, 255).astype(np.uint8), mask

    image, mask = blobs(0)
    trained = VoxelClassifier.fit(features(image, (1.0, 2.0)), mask, n_voxels=4000)
    other, truth = blobs(1)
    found = trained.probability(features(other, (1.0, 2.0))) > 0.5
    assert overlap(truth, found) > 0.8
    assert overlap(truth, ~found) < 0.2


def test_eigenvalues_agree_with_the_general_solver():
    six = np.random.default_rng(0).normal(size=(6, 500)).astype(np.float32)
    zz, zy, zx, yy, yx, xx = six
    matrices = np.stack([zz, zy, zx, zy, yy, yx, zx, yx, xx], -1).reshape(-1, 3, 3)
    expected = np.linalg.eigvalsh(matrices.astype(np.float64))[:, ::-1]
    np.testing.assert_allclose(np.stack(eigenvalues(*six), -1), expected, atol=1e-3)
    assert np.isfinite(eigenvalues(*np.zeros((6, 3), np.float32))).all()


def test_features_do_not_depend_on_where_something_is():
    image = np.zeros((20, 30, 30), np.uint8)
    image[8:12, 10:14, 10:14] = 200
    moved = np.roll(image, (1, 3, 2), (0, 1, 2))
    at = features(image, (1.0,))
    np.testing.assert_allclose(
        np.roll(at, (1, 3, 2), (0, 1, 2))[5:15, 8:22, 8:22], features(moved, (1.0,))[5:15, 8:22, 8:22]
    )
    assert at.shape == (20, 30, 30, 5)


def test_the_scored_half_begins_at_an_observed_plane_behind_the_learnt_one():
    data = np.zeros((247, 16, 16), np.uint8)
    halves = Halves(Path("a.tif"), data, data)
    assert halves.middle % 6 == 0
    assert halves.first.stop == halves.second.start
    assert len(data[halves.second]) > 120
