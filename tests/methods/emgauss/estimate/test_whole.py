import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss.estimate import Estimate, estimate, trials
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.training import Progress


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


def announced(n_blocks=1):
    """10 s before the blocks, 8 and 40 s for them, 2 s after them."""
    sizes = dict.fromkeys(("memory_bytes", "block_bytes", "model_bytes", "folder_bytes"), 0)
    durations = {"before_s": 10.0, "building_s": 8.0, "learning_s": 40.0, "after_s": 2.0}
    return Estimate(**durations, **sizes, n_iterations=100, n_blocks=n_blocks, device="cpu")


@pytest.mark.parametrize(("device", "cores", "times"), [("cpu", 2, 1.6), ("cpu", 12, 1.1), ("cuda:0", 2, 1.0)])
def test_a_viewer_takes_time_of_the_same_cores(monkeypatch, device, cores, times):
    monkeypatch.setattr("napari_emgauss.methods.emgauss.estimate.whole.usable_cores", lambda: cores)
    alone = replace(announced(), device=device)
    shown = alone.beside_a_viewer()
    assert shown.seconds == pytest.approx(times * alone.seconds)
    assert replace(shown, before_s=10.0, building_s=8.0, learning_s=40.0, after_s=2.0) == alone


def told(stage, seconds_left, *, iteration=0, block=0, n_blocks=1):
    before = Progress.outside_blocks(stage, iteration, 100, seconds=0.0, seconds_left=seconds_left)
    return replace(before, block=block, n_blocks=n_blocks, of_stage=stage != "solve")


@pytest.mark.parametrize(
    ("progress", "spent_s", "left_s"),
    [
        (told("sections", 0.1), 2.0, 58.0),
        (told("evidence", 3.0), 30.0, 3 + 50 * (33 + 12) / (10 + 12)),  # longer than announced, as is what is to come
        (told("pseudo-sections", 4.0), 10.0, 46.0),
        (told("solve", 8.0, iteration=10), 20.0, 0.1 * 8 + 0.9 * 36 + 2),  # first steps are smaller than later ones
        (told("solve", 18.0, iteration=50), 38.0, 0.5 * 18 + 0.5 * 20 + 2),
        (told("solve", 72.0, iteration=10), 20.0, 72 + 2 * (92 + 12) / (58 + 12)),  # slower than announced
        (told("uncertainty", 1.0, iteration=100), 59.0, 1.0),
        (told("keeping", 5.0, iteration=20), 30.0, 5.0),
    ],
)
def test_the_time_left_counts_what_is_still_to_come(progress, spent_s, left_s):
    assert announced().seconds_left(progress, spent_s) == pytest.approx(left_s)


@pytest.mark.parametrize(
    ("progress", "spent_s", "left_s"),
    [
        (told("solve", 30.0, iteration=25, n_blocks=4), 22.0, 30 + 6 + 2),
        (told("pseudo-sections", 1.5, iteration=25, n_blocks=4), 22.0, 1.5 + 4 + 30 + 2),
        (told("solve", 10.0, iteration=75, block=3, n_blocks=4), 48.0, 10 + 2),
        (told("solve", 60.0, iteration=25, n_blocks=4), 44.0, 60 + (6 + 2) * (104 + 12) / (52 + 12)),  # twice as slow
    ],
)
def test_blocks_that_are_not_built_yet_are_counted(progress, spent_s, left_s):
    assert announced(n_blocks=4).seconds_left(progress, spent_s) == pytest.approx(left_s)
