import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_emgauss as eg
from napari_emgauss.methods.emgauss.drawing.coarse import merged
from napari_emgauss.phantoms import phantom


@pytest.fixture(scope="module")
def result():
    volume = phantom((13, 160, 176), seed=1).every(6)
    settings = {"tile_px": 100, "tile_overlap_px": 20, "adapt_spacing": False}
    return eg.reconstruct(volume, preset="fast", use_teacher=False, **settings)


@pytest.mark.parametrize("z", [0.0, 0.4, 1.0, 1.7, 2.0])
@pytest.mark.parametrize(("zoom", "likeness"), [(0.1, 0.7), (0.2, 0.85), (0.3, 0.9)])
def test_small_views_look_alike(result, z, zoom, likeness):
    """At 0.1 the structures of this phantom are a pixel wide: cells of two pixels must blur them."""
    known = {}
    picture, truth = result.sketch(z, zoom=zoom, sharp=zoom, known=known), result.render(z, zoom=zoom)
    assert len(known) == 1
    assert picture.mean() == pytest.approx(truth.mean(), rel=0.01)
    assert np.corrcoef(picture.ravel(), truth.ravel())[0, 1] > likeness


def test_it_merges_once_and_draws_less(result):
    known = {}
    quick = merged(result.plan, result.models, 0.2, known)
    assert merged(result.plan, result.models, 0.19, known) is quick
    result.sketch(0.5, zoom=0.2, sharp=0.2, known=known)
    block = result.plan.blocks[0]
    section = quick.models[0]._merged[0, block]
    assert len(section.values["intensity"]) < result.models[0].field.offsets[1] / 3
    for z in (0.1, 1.5, 0.9):
        result.sketch(z, zoom=0.2, sharp=0.2, known=known)
    assert quick.models[0]._merged[0, block] is section


def test_only_tiles_in_view_are_merged_and_few_sections_are_kept(result, monkeypatch):
    known = {}
    quick = merged(result.plan, result.models, 0.2, known)
    result.sketch(0.5, region=(0, 20, 0, 20), zoom=0.2, sharp=0.2, known=known)
    assert {block for _, block in quick.models[0]._merged} == {result.plan.blocks[0]}
    monkeypatch.setattr("napari_emgauss.methods.emgauss.drawing.coarse.KEPT_SECTIONS", 2)
    for z in (0.5, 1.5):
        result.sketch(z, zoom=0.2, sharp=0.2, known=known)
    assert {anchor for anchor, _ in quick.models[0]._merged} == {1, 2}


def test_tiles_of_unlike_brightness_fade_into_each_other_as_they_do_in_full(result):
    levels = torch.linspace(-0.3, 0.3, len(result.models))
    models = [copy.deepcopy(model) for model in result.models]
    for model, level in zip(models, levels, strict=True):
        model.background += level
    uneven = replace(result, models=tuple(models))
    for region in (None, (40, 140, 30, 150)):
        even_error, error = (
            np.abs(
                source.sketch(0.5, region=region, zoom=0.2, sharp=0.2, known={})
                - source.render(0.5, region=region, zoom=0.2)
            )
            for source in (result, uneven)
        )
        assert error == pytest.approx(even_error, abs=1)


def test_cells_wider_than_the_tiles_overlap_leave_no_seam(result):
    """Drawn from one brightness, so that nothing but the weights can make a seam."""
    models = [copy.deepcopy(model) for model in result.models]
    for model in models:
        model.gaussians.intensity.data.fill_(1.0)
        model.gaussians.log_scale.data.fill_(float(np.log(2.1)))
        model.gaussians.angle_rad.data.zero_()
    flat = replace(result, models=tuple(models))
    picture, truth = flat.sketch(0.0, zoom=0.04, sharp=0.04, known={}), flat.render(0.0, zoom=0.04)
    assert np.abs(picture - truth).max() < 0.2 * truth.mean()


def test_few_widths_of_cells_are_kept(result):
    known = {}
    for zoom in (0.3, 0.2, 0.1, 0.05):
        merged(result.plan, result.models, zoom, known)
    assert len(known) == 2


def test_what_is_not_small_or_cannot_be_merged_is_left_as_it_is(result, stack):
    published = eg.reconstruct(stack, preset="paper", warmup=1, joint=1, bootstrap=0, mlp_depth=2, mlp_width=8)
    for source, zoom in ((result, 0.9), (published, 0.1)):
        assert merged(source.plan, source.models, zoom, {}) is None
        assert np.array_equal(source.sketch(0.4, zoom=zoom, sharp=zoom, known={}), source.render(0.4, zoom=zoom))
