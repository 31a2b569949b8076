"""Evidence for corrections."""

import numpy as np
import pytest

from napari_emgauss.sections import choose_corrections, estimate_corrections, improves
from napari_emgauss.sections.correction.corrections import shifted
from napari_emgauss.sections.correction.evidence import CorrectionEvidence
from napari_emgauss.volume import Volume


def test_shifts_need_a_wider_margin_than_brightness(disturbed):
    volume, *_ = disturbed
    found = estimate_corrections(volume)
    assert improves(volume, found.without_brightness()).margin_db > improves(volume, found.without_shifts()).margin_db


def test_what_moves_half_of_a_section_is_tissue(still):
    rng = np.random.default_rng(2)
    data = np.stack([still.section(i) for i in range(still.n_sections)])
    middle = data.shape[2] // 2
    for section, (dy, dx) in zip(data, rng.uniform(-2.5, 2.5, (len(data), 2)), strict=True):
        section[:, :middle] = shifted(section, (dy, dx))[:, :middle]
        section[:, middle:] = shifted(section, (-dy, -dx))[:, middle:]
    corrections, evidence = choose_corrections(Volume(data, still.voxel_size_nm))
    assert corrections.is_none
    assert evidence.gain_db < evidence.margin_db


def test_hidden_sections_are_predicted_better_once_corrected(disturbed):
    volume, *_ = disturbed
    corrections, evidence = choose_corrections(volume)
    assert not corrections.is_none
    assert evidence.convincing
    assert evidence.mean_after_db > evidence.mean_before_db + 1


def test_evidence_of_perfectly_predicted_sections_stays_finite():
    perfect = CorrectionEvidence(sections=(1, 2), before_db=(np.inf, 30.0), after_db=(40.0, np.inf))
    assert perfect.gain_db == pytest.approx((40 - 100 + 100 - 30) / 2)
    assert not perfect.convincing


@pytest.mark.parametrize(("few", "enough", "n"), [(3, 4, 4), (5, 6, 7), (7, 8, 9)])
def test_so_many_better_sections_as_tossed_coins_give_convince_nobody(few, enough, n):
    def evidence(n_better):
        after_db = 20 + np.where(np.arange(n) < n_better, 2.0, -0.1)
        return CorrectionEvidence(sections=tuple(range(n)), before_db=(20.0,) * n, after_db=tuple(after_db.tolist()))

    assert evidence(few).share_better >= 2 / 3
    assert not evidence(few).convincing
    assert evidence(enough).convincing


def test_what_moves_far_and_steadily_is_no_jitter():
    """The same tubes, 8 px further in each section: shifts make sections more alike, and hidden ones seem to gain."""
    y, x = np.mgrid[:96, :96]
    rng = np.random.default_rng(5)
    tubes = list(zip(rng.uniform(-60, 75, 30), rng.uniform(0, 96, 30), rng.uniform(3, 8, 30), strict=True))
    data = np.full((10, 96, 96), 0.35)
    for z, section in enumerate(data):
        for u, v, radius_px in tubes:
            section += 0.35 * np.exp(-((np.hypot((x - 8 * z) / np.sqrt(2) - u, y - v) - radius_px) ** 2) / 3)
    data = np.clip(data, 0, 1) + 0.03 * rng.standard_normal(data.shape)
    corrections, evidence = choose_corrections(Volume(data.astype(np.float32), (64.0, 8.0, 8.0)))
    assert corrections.is_none
    assert evidence.gain_db > evidence.margin_db
    assert evidence.steady is not None
    assert evidence.steady.gain_db < -3


def test_jitter_makes_motion_unsteady(disturbed):
    volume, *_ = disturbed
    evidence = improves(volume, estimate_corrections(volume))
    assert evidence.steady is not None
    assert evidence.steady.gain_db > evidence.gain_db
    assert len(evidence.steady.sections) == 16
