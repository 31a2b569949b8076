"""The prior applied to stacks."""

import numpy as np
import pytest
import torch

import napari_emgauss as eg
from napari_emgauss.errors import SectionRangeError, VolumeError
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.interpolation.prior import Contrast, PriorInterpolator, interpolator, load_prior

FACTOR = 5


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """Laws hold to rounding; on some processors the prior works in bfloat16."""
    monkeypatch.setattr(interpolator, "_has_fast_bfloat16", lambda: False)


@pytest.fixture(scope="module")
def tissue():
    """An isotropic phantom, 25 × 72 × 68, in 0..1."""
    from napari_emgauss.phantoms import phantom

    return np.asarray(phantom((26, 72, 68), seed=2).data, np.float32) / 255


@pytest.fixture(scope="module")
def observed(tissue):
    return np.ascontiguousarray(tissue[::FACTOR])


def rms(image):
    return float(np.sqrt(np.mean(np.square(image))))


def test_hidden_planes_of_tissue_are_predicted_better_than_by_plain_interpolation(tissue, observed):
    hidden = [z for z in range(len(tissue)) if z % FACTOR]

    def error(source):
        return np.mean([np.mean((source.section(z / FACTOR) - tissue[z]) ** 2) for z in hidden])

    plain = min(error(Interpolator(observed, name)) for name in ("linear", "linear+blur0.7", "flow", "flow+blur0.7"))
    assert error(PriorInterpolator(observed, FACTOR)) < 0.9 * plain


def test_two_sections_suffice(observed):
    image = PriorInterpolator(observed[:2], FACTOR).section(0.5)
    halfway = (observed[0] + observed[1]) / 2
    assert rms(image - halfway) < 0.5 * rms(observed[1] - observed[0])


def test_an_observed_section_comes_back(observed):
    np.testing.assert_array_equal(PriorInterpolator(observed, FACTOR).section(2), observed[2])


def test_only_the_two_sections_on_each_side_matter(observed):
    contrast = Contrast.of(observed)
    whole = PriorInterpolator(observed, FACTOR, contrast=contrast)
    for first, last, z in ((0, 3, 0.4), (0, 4, 1.7), (len(observed) - 3, len(observed), len(observed) - 1.5)):
        part = PriorInterpolator(observed[first:last], FACTOR, contrast=contrast)
        np.testing.assert_array_equal(part.section(z - first), whole.section(z))


@pytest.mark.parametrize("factor", [1.0, 2.5, 6.25, 11.9, 47.3])
@pytest.mark.parametrize("z", [1e-6, 0.31, 1.5, 2.999])
def test_any_factor_and_phase_will_do(observed, factor, z):
    image = PriorInterpolator(observed, factor).section(z)
    assert image.dtype == np.float32
    assert image.shape == observed.shape[1:]
    assert rms(image - Interpolator(observed, "linear").section(z)) < 0.5 * observed.std()


def test_a_gap_wider_than_any_that_was_learned_is_taken_for_the_widest(observed):
    wide, widest = (PriorInterpolator(observed, f).section(1.3) for f in (40.0, interpolator.LARGEST_FACTOR))
    np.testing.assert_allclose(wide, widest, atol=1e-6)


def test_the_image_moves_smoothly_with_z_within_a_gap(observed):
    prior = PriorInterpolator(observed, FACTOR)
    steps = [rms(prior.section(1.5 + h) - prior.section(1.5)) for h in (1e-3, 1e-2)]
    assert 0 < steps[0] < 0.2 * steps[1]
    assert steps[1] < 0.1 * rms(observed[2] - observed[1])
    ends = [rms(prior.section(z) - observed[round(z)]) for z in (1e-4, 1.9999)]
    assert max(ends) < 0.5 * rms(observed[1] - observed[0])


def test_the_order_in_which_planes_are_asked_for_does_not_matter(observed):
    walked = PriorInterpolator(observed, FACTOR, views=2)
    for z in (0.5, 2.2, 3.9, 2.6):
        image = walked.section(z)
    for z in (2.2, 2.6):
        np.testing.assert_array_equal(
            walked.section(z), PriorInterpolator(observed, FACTOR, views=2).section(z), err_msg=str(z)
        )
    assert np.isfinite(image).all()


@pytest.mark.parametrize("at_once_px", [1, 2**21])
def test_many_gaps_at_once_are_what_each_is_by_itself(observed, at_once_px, monkeypatch):
    monkeypatch.setattr(interpolator, "GPU_AT_ONCE_PX", at_once_px)
    monkeypatch.setattr(interpolator, "TILE_PX", 48)
    prior = PriorInterpolator(observed, FACTOR, views=2)
    gaps, phases = [0, 2, 3], [0.25, 0.6]
    alone = np.stack([[prior.section(gap + t) for t in phases] for gap in gaps])
    np.testing.assert_allclose(prior.between(gaps, phases), alone, atol=1e-4 * observed.std())


@pytest.mark.parametrize(("gain", "offset"), [(1e-4, 0.0), (1.0, -3.0), (257.0, 900.0)])
def test_any_unit_and_offset_of_intensities_gives_the_same_image(observed, gain, offset):
    usual = PriorInterpolator(observed, FACTOR).section(1.4)
    other = PriorInterpolator((gain * observed + offset).astype(np.float32), FACTOR).section(1.4)
    np.testing.assert_allclose((other - offset) / gain, usual, atol=1e-3 * observed.std())


def test_inverted_contrast_is_tissue_too(tissue, observed):
    upright = PriorInterpolator(observed, FACTOR).section(1.4) - tissue[7]
    inverted = 1 - PriorInterpolator(1 - observed, FACTOR).section(1.4) - tissue[7]
    assert rms(inverted) < 1.05 * rms(upright)


def test_a_stack_without_contrast_is_blended():
    sections = np.full((3, 20, 20), 7.0, np.float32)
    np.testing.assert_array_equal(PriorInterpolator(sections, FACTOR).section(0.5), sections[0])
    sections[1, 4, 4] = 9.0
    assert Contrast.of(sections).std == 0
    assert PriorInterpolator(sections, FACTOR).section(0.5)[4, 4] == 8
    assert PriorInterpolator(sections, FACTOR).between([0], [0.25, 0.5])[0, :, 4, 4] == pytest.approx([7.5, 8])


def test_a_dropped_section_is_a_wider_gap(observed):
    pair = observed[[0, 2]]
    told = PriorInterpolator(pair, FACTOR, z=[0, 2]).section(0.3)
    np.testing.assert_array_equal(told, PriorInterpolator(pair, 2 * FACTOR).section(0.3))
    contrast = Contrast.of(observed)
    uneven = PriorInterpolator(observed[[0, 1, 3, 4]], FACTOR, z=[0, 1, 3, 4], contrast=contrast)
    even = PriorInterpolator(observed[[0, 1, 3, 4]], FACTOR, contrast=contrast)
    assert rms(uneven.section(1.5) - even.section(1.5)) > 0.01 * observed.std()


@pytest.mark.parametrize(("views", "axes"), [(2, (0, 1, 2)), (4, (0, 1, 2)), (4, (1,)), (4, (0, 2))])
def test_a_stack_turned_round_gives_the_image_turned_round(observed, views, axes):
    sections = np.ascontiguousarray(observed[:, :64, :64])  # whole multiples: at others one end alone is padded
    usual = PriorInterpolator(sections, FACTOR, views=views).section(1.3)
    turned = PriorInterpolator(np.ascontiguousarray(np.flip(sections, axes)), FACTOR, views=views)
    image = turned.section(len(sections) - 1 - 1.3 if 0 in axes else 1.3)
    np.testing.assert_allclose(np.flip(image, [a - 1 for a in axes if a]), usual, atol=1e-3 * sections.std())


@pytest.mark.parametrize("shape", [(72, 68), (65, 67), (9, 30), (1, 1)])
def test_sides_of_any_length_will_do(observed, shape):
    sections = np.ascontiguousarray(observed[:3, : shape[0], : shape[1]])
    assert PriorInterpolator(sections, FACTOR, views=4).section(0.5).shape == shape


@pytest.mark.parametrize("views", [1, 2])
def test_tiles_agree_with_the_whole(monkeypatch, views):
    """To 0.3 % of the contrast: the network sees further than the margin, but hardly."""
    from napari_emgauss.phantoms import phantom

    sections = np.asarray(phantom((16, 200, 176), seed=5).data[::FACTOR], np.float32)
    whole = PriorInterpolator(sections, FACTOR, views=views).section(1.5)
    monkeypatch.setattr(interpolator, "TILE_PX", 64)
    tiled = PriorInterpolator(sections, FACTOR, views=views).section(1.5)
    assert not np.array_equal(tiled, whole)
    assert rms(tiled - whole) < 3e-3 * sections.std()


def test_a_region_is_exactly_what_the_whole_shows_and_is_read_alone(observed, monkeypatch):
    monkeypatch.setattr(interpolator, "TILE_PX", 24)
    monkeypatch.setattr(interpolator, "MARGIN_PX", 8)
    spoilt = observed.copy()
    spoilt[:, 56:] = np.nan
    contrast = Contrast.of(observed)
    whole, part = (PriorInterpolator(s, FACTOR, contrast=contrast, views=2) for s in (observed, spoilt))
    for z in (1.3, 1.6, 2.0):
        for y0, y1, x0, x1 in ((0, 24, 0, 24), (10, 48, 30, 61), (24, 25, 0, 64)):
            np.testing.assert_array_equal(part.section(z, (y0, y1, x0, x1)), whole.section(z)[y0:y1, x0:x1])


def test_half_precision_agrees_with_float32(observed, monkeypatch):
    exact = PriorInterpolator(observed, FACTOR).section(1.5)
    monkeypatch.setattr(interpolator, "_has_fast_bfloat16", lambda: True)
    half = PriorInterpolator(observed, FACTOR).section(1.5)
    assert half.dtype == np.float32
    assert 0 < rms(half - exact) < 0.02 * observed.std()


def test_the_same_stack_gives_the_same_image(observed, monkeypatch):
    first, again = (PriorInterpolator(observed, FACTOR, views=4).section(2.4) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    before = torch.random.get_rng_state()
    PriorInterpolator(observed, FACTOR).section(0.5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_reconstruction_leaves_the_network_as_it_came(stack):
    before = {name: value.clone() for name, value in load_prior().state_dict().items()}
    eg.reconstruct(stack, preset="fast", joint=2)
    assert all(torch.equal(value, before[name]) for name, value in load_prior().state_dict().items())
    assert all(parameter.grad is None for parameter in load_prior().parameters())


def test_contrast_ignores_a_few_extreme_pixels(observed):
    spoiled = observed.copy()
    spoiled[0, 0, :5] = 1e6
    assert Contrast.of(spoiled) == pytest.approx(Contrast.of(observed), rel=0.02)


@pytest.mark.parametrize("shape", [(1, 20, 20), (20, 20), (0, 20, 20)])
def test_what_is_no_stack_is_refused(shape):
    with pytest.raises(VolumeError, match="at least two sections"):
        PriorInterpolator(np.zeros(shape, np.float32), FACTOR)


@pytest.mark.parametrize("z", [-0.1, 5.1, float("nan")])
def test_a_z_outside_is_refused(observed, z):
    with pytest.raises(SectionRangeError, match=r"0\.\.5"):
        PriorInterpolator(observed, FACTOR).section(z)


def test_bfloat16_predicts_within_a_fiftieth_of_a_decibel_of_float32(tissue, observed, monkeypatch):
    hidden = [2, 8, 13, 21]
    errors = []
    for fast in (False, True):
        monkeypatch.setattr(interpolator, "_has_fast_bfloat16", lambda fast=fast: fast)
        prior = PriorInterpolator(observed, FACTOR)
        errors.append(rms(np.stack([prior.section(z / FACTOR) - tissue[z] for z in hidden])))
    assert errors[0] != errors[1]
    assert abs(20 * np.log10(errors[1] / errors[0])) < 0.02
