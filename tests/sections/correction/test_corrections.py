"""Corrections applied and taken back."""

import numpy as np
import pytest

from napari_emgauss.sections import CorrectionEstimate, Corrections, estimate_corrections, improves


def test_correcting_and_undoing_leaves_a_section_as_it_was(disturbed):
    volume, *_ = disturbed
    corrections = estimate_corrections(volume).whole
    image = volume.section(3)
    again = corrections.invert(3, corrections.apply(3, image))
    assert np.abs(again - image)[8:-8, 8:-8].mean() < 0.05 * image.std()


def test_no_correction_changes_nothing(still):
    none = Corrections.none(still.n_sections)
    assert none.is_none
    assert np.array_equal(none.apply(2, still.section(2)), still.section(2).astype(np.float32))
    evidence = improves(still, CorrectionEstimate.none(still.n_sections))
    assert evidence.mean_after_db == pytest.approx(evidence.mean_before_db)
    assert not evidence.convincing
