"""The figure of an evaluation."""

import sys

import numpy as np
import pytest
from skimage.io import imread

from napari_emgauss.evaluation import evaluate
from napari_emgauss.volume import Volume


@pytest.fixture(scope="module")
def result():
    data = np.random.default_rng(0).integers(0, 255, (9, 24, 40), np.uint8)
    return evaluate(Volume(data, (8, 8, 8)), 4, ["nearest", "linear"], with_fsim=False)


def test_png_shows_more_than_a_blank_page(result, tmp_path):
    result.figure(tmp_path / "figure.png")
    image = imread(tmp_path / "figure.png")
    assert min(image.shape[:2]) > 300
    assert image[..., :3].std() > 20


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_vector_formats_follow_the_suffix(result, tmp_path, suffix):
    result.figure(tmp_path / f"figure.{suffix}")
    assert (tmp_path / f"figure.{suffix}").read_bytes()[:5] in (b"%PDF-", b"<?xml")


def test_drawing_needs_no_pyplot(result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it would raise
    result.figure(tmp_path / "figure.png")


def test_a_perfect_method_draws_too(tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (5, 16, 16), np.uint8)
    truth = evaluate(Volume(data, (8, 8, 8)), 2, {"truth": lambda _stack: lambda z: data[round(2 * z)]})
    truth.figure(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 0
