"""Methods by name."""

import math
from types import SimpleNamespace

import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.evaluation import evaluate
from napari_emgauss.evaluation.sources import RECONSTRUCTIONS
from napari_emgauss.interpolation.plain import Interpolator

FACTOR = 4


def test_a_plain_blur_stands_for_both_published_ones(volume):
    result = evaluate(volume, FACTOR, ["linear+blur"], with_fsim=False)
    assert [m.method for m in result.methods] == ["linear+blur0.7", "linear+blur1.0"]
    assert math.isnan(result.methods[0].fsim)


def test_emgauss_gets_its_preset_and_options(volume, monkeypatch):
    calls = []

    def reconstruct(stack, **options):
        calls.append(options)
        return SimpleNamespace(render=Interpolator(stack).section)

    monkeypatch.setitem(RECONSTRUCTIONS, "emgauss", reconstruct)
    result = evaluate(volume, FACTOR, ["emgauss", "emgauss:paper"], preset="fast", seed=3, n_gaussians=9)
    assert [call["preset"] for call in calls] == ["fast", "paper"]
    assert all(call["seed"] == 3 and call["n_gaussians"] == 9 for call in calls)
    assert [m.kind for m in result.methods] == ["reconstruction"] * 2


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ([], "at least one method"),
        (["linear", "linear"], "linear more than once"),
        (["linear+blur", "linear+blur0.7"], "more than once"),
        (["emgaus"], "Reconstructions are emgauss"),
        (["emgauss:"], "preset is missing"),
    ],
)
def test_method_lists_are_checked_before_anything_runs(methods, message, volume):
    with pytest.raises(ConfigError, match=message):
        evaluate(volume, FACTOR, methods)


def test_the_prior_alone_is_scored_like_any_method(volume):
    result = evaluate(volume, FACTOR, ["linear", "learned"], with_fsim=False)
    assert [m.method for m in result.methods] == ["linear", "learned"]
    assert all(math.isfinite(m.psnr_db) for m in result.methods)
