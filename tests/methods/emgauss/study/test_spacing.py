"""Gaussians as dense as the tissue asks for, and what comes of it where no network is of any use."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import napari_emgauss as eg
from napari_emgauss.interpolation.mixture import HiddenSection, Stack, gather_evidence
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.methods.emgauss import preset
from napari_emgauss.methods.emgauss.study.spacing import (
    FINER_PX,
    ITERATIONS,
    NEWTON_STEPS,
    choose_spacing,
    with_denser_gaussians,
)
from napari_emgauss.metrics import psnr
from napari_emgauss.volume import Volume

FACTOR = 5
CONFIG = preset("fast")


def texture(*, along, across, noise=0.02, shape=(31, 72, 72), seed=0):
    """Blobs of these sizes along z and across it, on a mean of half the range."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.standard_normal(shape, np.float32), (along, across, across), mode="wrap")
    values = 0.5 + 0.15 * smooth / smooth.std() + noise * rng.standard_normal(shape)
    return np.clip(values * 255, 0, 255).astype(np.uint8)


def examples_of(images, *, noise=0.03):
    rng = np.random.default_rng(1)
    return [
        HiddenSection(i, np.asarray(i + noise * rng.standard_normal(i.shape), np.float32))
        for i in images.astype(np.float32) / 255
    ]


def withheld_psnr_db(draw, truth):
    hidden = [k for k in range(len(truth)) if k % FACTOR]
    scores = [
        psnr(np.clip(draw(k / FACTOR) / 255, 0, 1).astype(np.float32), truth[k] / np.float32(255)) for k in hidden
    ]
    return float(np.mean(scores))


def test_fine_detail_asks_for_fine_gaussians():
    chosen = [
        choose_spacing(CONFIG, examples_of(texture(along=1, across=width, noise=0)[:3]), seed=0) for width in (1.0, 6.0)
    ]
    assert chosen[0] in FINER_PX
    assert chosen[1] == CONFIG.model.spacing_px


def test_descent_is_tried_only_where_gauss_newton_steps_are_not_enough():
    def steps(examples):
        asked = []
        choose_spacing(CONFIG, examples, seed=0, stop=lambda: bool(asked.append(None)))
        return len(asked)

    images = texture(along=1, across=6.0, noise=0.02)[:2].astype(np.float32) / 255
    vague = [HiddenSection(image, np.full_like(image, image.mean())) for image in images]
    assert steps(vague) <= 2 * NEWTON_STEPS
    assert steps(examples_of(255 * images)) > 2 * ITERATIONS


def test_no_detail_is_lost_where_hidden_sections_do_not_tell_what_is_right():
    images = texture(along=1, across=6.0, noise=0.02)[:2].astype(np.float32) / 255
    examples = [HiddenSection(image, np.full_like(image, image.mean())) for image in images]
    assert choose_spacing(CONFIG, examples, seed=0) == CONFIG.model.spacing_px
    assert choose_spacing(CONFIG, examples, expected_mse=1e-4, seed=0) in FINER_PX


def test_real_tissue_keeps_the_usual_spacing(fib25):
    evidence = gather_evidence(Stack(fib25[::6].astype(np.float32) / 255, 6))
    assert choose_spacing(CONFIG, evidence.examples, seed=0) == CONFIG.model.spacing_px


def test_a_spacing_finer_than_all_others_stays():
    fine = CONFIG.with_settings(spacing_px=1.0)
    assert choose_spacing(fine, examples_of(texture(along=1, across=1.0)[:2]), seed=0) == 1.0


def test_a_stop_keeps_what_is_known():
    examples = examples_of(texture(along=1, across=1.0)[:2])
    assert choose_spacing(CONFIG, examples, seed=0, stop=lambda: True) == CONFIG.model.spacing_px


def test_the_length_of_the_training_to_come_has_no_say():
    examples = examples_of(texture(along=1, across=1.0)[:2])
    longer = CONFIG.with_settings(newton_steps=1_000_000)
    assert choose_spacing(longer, examples, seed=0) == choose_spacing(
        CONFIG.with_settings(newton_steps=5), examples, seed=0
    )


def test_denser_gaussians_come_in_shorter_bundles():
    dense = with_denser_gaussians(CONFIG, CONFIG.model.spacing_px / 2)
    assert dense.model.spacing_px == CONFIG.model.spacing_px / 2
    assert dense.blocks.bundle_sections == CONFIG.blocks.bundle_sections / 4
    assert with_denser_gaussians(CONFIG, CONFIG.model.spacing_px) == CONFIG


ALONE = {"prior": False, "lateral_steps": 150}
FIBRES, SLOW, LESS_SLOW = (texture(along=z, across=xy) for z, xy in ((40, 1.0), (12, 1.5), (6, 2.5)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("truth", "settings"),
    [
        pytest.param(FIBRES, {"preset": "fast"}, id="long fibres, fast"),
        pytest.param(FIBRES, ALONE, id="long fibres, without the prior"),
        pytest.param(SLOW, {}, id="slow change"),
        pytest.param(LESS_SLOW, {}, id="less slow change"),
    ],
)
def test_where_z_is_unlike_y_and_x_the_result_is_no_worse_than_any_plain_method(truth, settings):
    stack = Volume(truth, (8, 8, 8)).every(FACTOR)
    plain = ("linear", "cubic", "flow", "linear+blur0.7", "linear+blur1.0", "flow+blur0.7", "flow+blur1.0")
    best = max(withheld_psnr_db(Interpolator(stack, name).section, truth) for name in plain)
    result = eg.reconstruct(stack, uncertainty=False, **settings)
    assert withheld_psnr_db(result.render, truth) > best - 0.05


def test_the_choice_is_made_once(tmp_path, monkeypatch):
    stack = Volume(texture(along=12, across=1.0, shape=(21, 40, 40)), (8, 8, 8)).every(FACTOR)
    first = eg.reconstruct(stack, preset="fast", checkpoint=tmp_path)
    assert first.config.model.spacing_px < CONFIG.model.spacing_px
    assert eg.load(first.save(tmp_path / "m.emgauss")).config == first.config
    monkeypatch.setattr("napari_emgauss.methods.emgauss.study.findings.choose_spacing", None)
    again = eg.reconstruct(stack, preset="fast", checkpoint=tmp_path)
    assert np.array_equal(again.render(0.5), first.render(0.5))
    assert (
        eg.reconstruct(stack, start=first, joint=1, bootstrap=0).config.model.spacing_px
        == first.config.model.spacing_px
    )
