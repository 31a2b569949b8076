"""Images for an evaluation's figure."""

import numpy as np

from napari_emgauss.evaluation import evaluate
from napari_emgauss.volume import Volume

NM = (8.0, 8.0, 8.0)


FACTOR = 4


def test_views_for_the_figure_are_a_middle_withheld_section(volume, result):
    truth = result.truth_view
    assert truth.z_voxel % FACTOR != 0
    np.testing.assert_allclose(truth.section, volume.section(truth.z_voxel) / 255, atol=1e-6)
    np.testing.assert_allclose(truth.xz, volume.data[:17, truth.y_voxel] / 255, atol=1e-6)
    assert [view.xz.shape for view in result.views] == [(17, 36)] * 3


def test_views_of_wide_sections_are_cropped_to_the_middle():
    data = np.random.default_rng(0).integers(0, 255, (5, 300, 20), np.uint8)
    truth = evaluate(Volume(data, NM), 2, "nearest", with_fsim=False).truth_view
    np.testing.assert_allclose(truth.section, data[truth.z_voxel, 22:278] / 255, atol=1e-6)
