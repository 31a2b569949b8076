"""Jitter and brightness steps put into a stack are found; a stack without them is left alone."""

import numpy as np
import pytest

from napari_emgauss.phantoms import phantom
from napari_emgauss.sections import CorrectionEstimate, Corrections, choose_corrections, estimate_corrections, improves
from napari_emgauss.sections.correction.corrections import shifted
from napari_emgauss.sections.correction.evidence import CorrectionEvidence
from napari_emgauss.volume import Volume


@pytest.fixture(scope="module")
def still():
    return phantom((41, 128, 128), seed=4, noise=0.02).every(2)


@pytest.fixture(scope="module")
def disturbed(still):
    rng = np.random.default_rng(1)
    n = still.n_sections
    shifts, gains = rng.uniform(-2.5, 2.5, (n, 2)), rng.uniform(0.85, 1.15, n)
    data = np.stack([shifted(still.section(i), tuple(shifts[i])) * gains[i] for i in range(n)])
    return Volume(data.astype(np.float32), still.voxel_size_nm), shifts, gains


def high_pass(values):
    """What differs from the neighbours: slow drift is tissue's."""
    return values[1:-1] - 0.5 * (values[:-2] + values[2:])


def test_a_still_stack_is_left_alone(still):
    corrections, _ = choose_corrections(still)
    assert corrections.is_none or np.abs(corrections.shifts_px).max() < 0.5


def test_jitter_is_taken_back(disturbed):
    volume, shifts, _ = disturbed
    found = estimate_corrections(volume).whole
    before, after = (np.abs(high_pass(s)).mean() for s in (shifts, shifts + found.shifts_px))
    assert after < 0.4 * before


def test_shifts_are_found_to_a_fraction_of_a_pixel(disturbed):
    volume, shifts, _ = disturbed
    found = estimate_corrections(volume).whole
    left = high_pass(shifts + found.shifts_px)
    assert np.sqrt(np.mean(left**2)) < 0.5


def test_each_half_is_judged_by_shifts_from_the_other(still):
    rng = np.random.default_rng(3)
    data = np.stack([still.section(i).astype(np.float32) for i in range(still.n_sections)])
    middle = data.shape[2] // 2
    left, right = rng.uniform(-2, 2, (2, len(data), 2))
    for section, to_left, to_right in zip(data, left, right, strict=True):
        section[:, :middle] = shifted(section, tuple(to_left))[:, :middle]
        section[:, middle:] = shifted(section, tuple(to_right))[:, middle:]
    found = estimate_corrections(Volume(data, still.voxel_size_nm)).elsewhere

    def left_over(half, shifts):
        return np.abs(high_pass(found[half].shifts_px + shifts)).mean()

    assert left_over("left", right) < 0.5 * left_over("left", left)
    assert left_over("right", left) < 0.5 * left_over("right", right)


def test_large_shifts_take_several_rounds(still, monkeypatch):
    rng = np.random.default_rng(5)
    put_in = rng.uniform(-4, 4, (still.n_sections, 2))
    data = np.stack([shifted(still.section(i), tuple(put_in[i])) for i in range(len(put_in))])
    volume = Volume(data.astype(np.float32), still.voxel_size_nm)

    def left_over():
        return np.abs(high_pass(estimate_corrections(volume).whole.shifts_px + put_in)).mean()

    joint = left_over()
    assert joint < 0.15 * np.abs(high_pass(put_in)).mean()
    monkeypatch.setattr("napari_emgauss.sections.correction.shifts.MAX_ROUNDS", 1)
    assert left_over() > 1.5 * joint


def test_steady_motion_is_left_to_the_tissue(still):
    drift = 1.5 * np.arange(still.n_sections)[:, None] * np.array([[1.0, -0.5]]) / 2
    drift -= drift.mean(0)
    data = np.stack([np.roll(still.section(i), (round(y), round(x)), (0, 1)) for i, (y, x) in enumerate(drift)])
    assert np.abs(estimate_corrections(Volume(data, still.voxel_size_nm)).whole.shifts_px).mean() < 0.5


@pytest.mark.parametrize(("budget", "reads"), [(10**9, 1), (0, 4)])
def test_windows_are_read_once_if_they_fit(disturbed, monkeypatch, budget, reads):
    volume, *_ = disturbed
    read, section = [], Volume.section
    monkeypatch.setattr("napari_emgauss.sections.quality.windows.KEPT_BYTES", budget)
    monkeypatch.setattr(Volume, "section", lambda self, *part: read.append(part) or section(self, *part))
    estimate_corrections(volume)
    assert (len(read) == volume.n_sections) == (reads == 1)
    assert len(read) >= reads * volume.n_sections


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


def test_evidence_of_perfectly_predicted_sections_stays_finite():
    perfect = CorrectionEvidence(sections=(1, 2), before_db=(np.inf, 30.0), after_db=(40.0, np.inf))
    assert perfect.gain_db == pytest.approx((40 - 100 + 100 - 30) / 2)
    assert not perfect.convincing
