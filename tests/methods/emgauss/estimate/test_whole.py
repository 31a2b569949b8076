import itertools
from types import SimpleNamespace

import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss.estimate import estimate, trials
from napari_emgauss.methods.emgauss.setup import prepare


@pytest.mark.parametrize("settings", [{"preset": "fast"}, {"preset": "balanced"}, {"field": "mlp", "mlp_width": 8}])
def test_an_estimate_counts_what_the_training_will_do(stack, settings):
    found, job = estimate(stack, **settings), prepare(stack, **settings)
    assert found.n_iterations == job.n_iterations
    assert found.n_blocks == 1
    assert found.device == "cpu"
    assert found.seconds > 0
    assert found.memory_bytes > 1e5


def test_a_hundred_times_the_iterations_take_longer(stack):
    short, long = (estimate(stack, preset="fast", joint=joint).seconds for joint in (50, 5000))
    assert long > 10 * short


def test_a_stop_ends_it_without_a_result(stack):
    assert estimate(stack, preset="balanced", stop=lambda: True) is None


def test_impossible_settings_are_told_as_the_training_would(stack):
    with pytest.raises(ConfigError, match="tile_px"):
        estimate(stack, tile_px=1)


def test_each_part_of_a_training_is_counted(stack, monkeypatch):
    # By this clock the time of a trial is the number of looks at it, so that what is left out shows.
    def seconds(**settings):
        monkeypatch.setattr(trials, "time", SimpleNamespace(perf_counter=itertools.count().__next__))
        return estimate(stack, preset="balanced", **settings).seconds

    parts = {"uncertainty": False, "adapt_spacing": False, "correct_sections": "none", "leave_out_damaged": False}
    everything = seconds()
    assert all(seconds(**{name: value}) < everything for name, value in parts.items())
