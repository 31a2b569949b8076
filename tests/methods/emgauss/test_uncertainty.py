"""The error to expect: its geometry, and that it says something about the real error."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, SectionRangeError, UncertaintyUnavailableError
from napari_emgauss.interpolation.mixture import Calibration
from napari_emgauss.methods.emgauss.uncertainty_map import CELL_PX, UncertaintyMap, grid_shape
from napari_emgauss.training import Control, Finished, Progress
from napari_emgauss.volume import Volume

BRIEF = {
    "preset": "fast", "spacing_px": 4.0, "uncertainty": True, "adapt_spacing": False
}  # fmt: skip


@pytest.fixture(scope="module")
def result(stack):
    return eg.reconstruct(stack, **BRIEF)


@pytest.fixture(scope="module")
def real(fib25):
    stack = Volume(fib25[::6], (48, 8, 8))
    return eg.reconstruct(stack, preset="fast", uncertainty=True)


def error_and_uncertainty(result, truth, factor=6):
    between = [k for k in range(len(truth)) if k % factor]
    errors = [gaussian_filter(np.abs(result.render(k / factor) - truth[k]), 4.0) for k in between]
    return np.array(errors), np.array([result.uncertainty(k / factor) for k in between])


def test_it_is_of_the_size_of_the_error_on_real_withheld_sections(real, fib25):
    error, uncertainty = error_and_uncertainty(real, fib25)
    assert 0.7 < uncertainty.mean() / error.mean() < 1.5


def test_where_it_is_large_the_error_is_larger(real, fib25):
    error, uncertainty = error_and_uncertainty(real, fib25)
    assert np.corrcoef(error.ravel(), uncertainty.ravel())[0, 1] > 0.3
    low, high = np.quantile(uncertainty, (0.2, 0.8))
    assert error[uncertainty > high].mean() > 1.2 * error[uncertainty < low].mean()


def test_it_is_least_at_the_sections_and_largest_between_them(result):
    at = [result.uncertainty(z).mean() for z in (1, 1.25, 1.5, 1.75, 2)]
    assert at[0] < at[1] < at[2] > at[3] > at[4]


def test_it_has_no_step_along_z(result):
    steps = [np.abs(result.uncertainty(z + 1e-4) - result.uncertainty(z - 1e-4)).max() for z in (1.0, 1.5, 2.3)]
    assert max(steps) < 0.05 * result.uncertainty(1.5).mean()


def test_a_broken_place_is_uncertain(isotropic):
    data = np.array(isotropic.every(6).data)
    noise = np.random.default_rng(0).integers(0, 256, data.shape[1:]).astype(np.uint8)
    data[2, :, 20:] = gaussian_filter(noise, 2)[:, 20:] * 3
    result = eg.reconstruct(Volume(data, isotropic.every(6).voxel_size_nm), leave_out_damaged=False, **BRIEF)
    beside = result.uncertainty(2.5)
    assert beside[:, 28:].mean() > 1.2 * beside[:, :12].mean()


def test_a_wider_gap_is_more_uncertain(stack):
    whole, gap = eg.reconstruct(stack, **BRIEF), eg.reconstruct(stack, leave_out=(2,), **BRIEF)
    assert gap.uncertainty(1.5).mean() > whole.uncertainty(1.5).mean()
    assert gap.uncertainty(2.0).mean() > whole.uncertainty(2.0).mean()


def test_a_part_and_a_zoom_are_cut_from_the_same_map(result):
    whole = result.uncertainty(1.4)
    assert whole.shape == result.shape[1:]
    np.testing.assert_allclose(result.uncertainty(1.4, region=(8, 30, 5, 21)), whole[8:30, 5:21], rtol=1e-5)
    double = result.uncertainty(1.4, zoom=2)
    assert double.shape == (2 * whole.shape[0], 2 * whole.shape[1])
    np.testing.assert_allclose(double.reshape(whole.shape[0], 2, whole.shape[1], 2).mean((1, 3)), whole, rtol=0.02)


def test_it_is_in_the_intensities_of_the_stack(stack):
    bright = Volume(np.asarray(stack.data, np.float32) * 100, stack.voxel_size_nm)
    ratio = eg.reconstruct(bright, **BRIEF).uncertainty(1.5) / eg.reconstruct(stack, **BRIEF).uncertainty(1.5)
    np.testing.assert_allclose(ratio, 100, rtol=0.05)


def test_tiles_make_no_difference(stack, result, monkeypatch):
    monkeypatch.setattr("napari_emgauss.methods.emgauss.uncertainty.TILE_PX", 2 * CELL_PX)
    tiled = eg.reconstruct(stack, **BRIEF)
    np.testing.assert_allclose(tiled.uncertainty(1.5), result.uncertainty(1.5), rtol=0.1)


def test_cells_of_a_constant_map_give_a_constant_image():
    calibration = Calibration(base=0.1, weights=(0.0, 0.0, 0.0))
    cells = UncertaintyMap(np.full((2, *grid_shape((20, 33))), 0.25, np.float16), 0.25, calibration)
    np.testing.assert_allclose(cells.at(1.3, (20, 33), (0, 20, 0, 33), 1.0), 0.25)


def test_a_model_without_it_says_why(stack):
    without = eg.reconstruct(stack, **{**BRIEF, "uncertainty": False})
    assert not without.has_uncertainty
    with pytest.raises(UncertaintyUnavailableError, match="Train again"):
        without.uncertainty(0.5)


def test_two_sections_leave_nothing_to_hide(stack):
    pair = Volume(np.asarray(stack.data[:2]), stack.voxel_size_nm)
    assert not eg.reconstruct(pair, **BRIEF).has_uncertainty


def test_a_coordinate_or_region_outside_is_refused(result):
    with pytest.raises(SectionRangeError):
        result.uncertainty(4.1)
    with pytest.raises(ConfigError):
        result.uncertainty(1, region=(0, 99, 0, 5))


def test_it_is_told_before_the_end(stack, monkeypatch):
    monkeypatch.setattr("napari_emgauss.training.watch.PROGRESS_EVERY_S", 0.0)
    events = []
    eg.reconstruct(stack, on_event=events.append, **BRIEF)
    stages = [event.stage for event in events if isinstance(event, Progress)]
    assert stages[-1] == "uncertainty"
    assert isinstance(events[-1], Finished)
    assert sum(isinstance(event, Finished) for event in events) == 1


def test_a_stop_keeps_the_model_at_once(stack):
    control = Control()

    def stop(event):
        if isinstance(event, Progress) and event.iteration == event.n_iterations:
            control.stop()

    result = eg.reconstruct(stack, on_event=stop, control=control, **BRIEF)
    assert not result.has_uncertainty
    assert result.render(0.5).shape == stack.shape[1:]


def test_going_on_keeps_the_calibration(stack, result):
    again = eg.reconstruct(stack, start=result, joint=1, bootstrap=0)
    assert again.uncertainty_map.calibration == result.uncertainty_map.calibration


def test_no_memory_for_it_costs_no_model(stack, monkeypatch, caplog):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("napari_emgauss.methods.emgauss.uncertainty.measure_uncertainty", fail)
    result = eg.reconstruct(stack, **BRIEF)
    assert not result.has_uncertainty
    assert "complete without it" in caplog.text


@pytest.mark.parametrize("values", [(-1, 0, 0, 0), (float("nan"), 0, 0, 0), (0, 1)])
def test_an_impossible_calibration_is_refused(values):
    with pytest.raises(ValueError, match="at least 0"):
        Calibration(base=values[0], weights=tuple(values[1:]))
