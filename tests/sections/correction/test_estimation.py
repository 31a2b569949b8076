"""Estimated gains, offsets and shifts."""

import numpy as np
import pytest

from napari_emgauss.sections import choose_corrections, estimate_corrections
from napari_emgauss.sections.correction.corrections import shifted
from napari_emgauss.volume import Volume


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


def test_large_sections_are_looked_at_in_several_places(still, monkeypatch):
    """In the middle there is nothing to see."""
    rng = np.random.default_rng(7)
    put_in = rng.uniform(-2.5, 2.5, (still.n_sections, 2))
    data = np.stack([shifted(still.section(i), tuple(put_in[i])) for i in range(len(put_in))])
    data = np.pad(data, ((0, 0), (0, 192), (0, 192)), mode="wrap")
    data[:, 92:228, 92:228] = 128
    volume = Volume(data.astype(np.float32), still.voxel_size_nm)

    def left_over():
        found = estimate_corrections(volume, max_side_px=128).whole
        return np.sqrt(np.mean(high_pass(found.shifts_px + put_in) ** 2))

    assert left_over() < 0.5
    monkeypatch.setattr("napari_emgauss.sections.quality.windows.LONG", 4)
    assert left_over() > 1


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
