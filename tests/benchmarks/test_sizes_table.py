"""Stacks and rows of the table of sizes."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.sizes import Options, Run, mirrored, row, runs

PHANTOM = Path("phantom.tif")


def test_a_mirrored_stack_has_the_size_and_no_jumps():
    ramp = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    grown = mirrored(ramp, (12, 4, 20))
    assert grown.shape == (12, 4, 20)
    np.testing.assert_array_equal(grown[:5, :, :7], ramp[:, :4])
    assert np.abs(np.diff(grown[0, 0])).max() == 1
    np.testing.assert_array_equal(grown[8], grown[0])


def test_sizes_come_small_before_large_and_with_the_sections_that_are_left():
    wanted = list(runs(Options(sides=(500, 64), spacings=(5.0,), spacing_side=192, devices=("cpu",)), PHANTOM))
    assert [run.shape for run in wanted] == [(11, 64, 64), (84, 500, 500), (32, 192, 192)]
    assert [run.spacing_px for run in wanted] == [None, None, 5.0]


def test_the_large_stack_is_trained_alone_with_the_default_preset():
    (run,) = runs(Options(big=Path("phantom"), devices=("cpu",)), PHANTOM)
    assert (run.shape, run.preset, run.volume) == ((84, 500, 500), "balanced", "phantom.tif")


def test_every_row_has_every_column():
    run = Run((11, 64, 64), "fast", "cpu", "phantom.tif")
    result = {"n_gaussians": 9, "seconds": 3.0, "teacher_seconds": 1.0, "peak_mib": 400.0, "gpu_peak_mib": None}
    assert row(run, result).count("|") == row(run, "failed").count("|") == 11
    assert "| 1.0 | 2.0 | 3.0 | 400 | – |" in row(run, result)
