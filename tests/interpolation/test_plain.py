"""Interpolation between sections by its laws."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter

from napari_emgauss.errors import ConfigError, SectionRangeError, VolumeError
from napari_emgauss.interpolation import plain as baselines
from napari_emgauss.interpolation.plain import METHODS, Baseline, Interpolator, blurred, interpolate
from napari_emgauss.volume import Volume


@pytest.fixture
def sections():
    rng = np.random.default_rng(0)
    return gaussian_filter(rng.standard_normal((7, 40, 36)), (1, 2, 2)).astype(np.float32)


def moving_texture(shift_px, n=2, size=96):
    """Sections of one smooth texture that moves by ``shift_px`` (y, x) from each to the next."""
    texture = gaussian_filter(np.random.default_rng(3).standard_normal((size + 60, size + 60)), 4).astype(np.float32)
    y0, x0 = 30, 30

    def at(z):
        y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
        map_y, map_x = (y + y0 - z * shift_px[0]).astype(np.float32), (x + x0 - z * shift_px[1]).astype(np.float32)
        return cv2.remap(texture, map_x, map_y, cv2.INTER_CUBIC)

    return np.stack([at(z) for z in range(n)]), at


@pytest.mark.parametrize("method", METHODS)
def test_an_observed_section_comes_back_unchanged(method, sections):
    for index in (0, 3, 6):
        np.testing.assert_array_equal(interpolate(sections, index, method=method), sections[index])


@pytest.mark.parametrize("method", METHODS)
def test_equal_sections_stay_equal_between(method, sections):
    stack = np.repeat(sections[:1], 5, axis=0)
    atol = 0.01 if method == "flow" else 1e-5  # the flow of two equal images is not quite zero
    np.testing.assert_allclose(interpolate(stack, 2.3, method=method), sections[0], atol=atol)


@pytest.mark.parametrize("method", METHODS)
def test_intensity_gain_and_offset_pass_through(method, sections):
    expected = 1000 * interpolate(sections, 2.4, method=method) + 500
    np.testing.assert_allclose(interpolate(1000 * sections + 500, 2.4, method=method), expected, atol=2)


@pytest.mark.parametrize("method", METHODS)
def test_turning_the_stack_over_turns_z_over(method, sections):
    forward = interpolate(sections, 1.7, method=method)
    np.testing.assert_allclose(interpolate(sections[::-1].copy(), 4.3, method=method), forward, atol=1e-4)


def test_nearest_takes_the_closer_section(sections):
    np.testing.assert_array_equal(interpolate(sections, 2.4, method="nearest"), sections[2])
    np.testing.assert_array_equal(interpolate(sections, 2.6, method="nearest"), sections[3])


@given(z=st.floats(0, 6))
def test_linear_is_exact_on_intensities_linear_in_z(z):
    ramp = np.broadcast_to(np.arange(7, dtype=np.float32)[:, None, None], (7, 16, 16))
    np.testing.assert_allclose(interpolate(ramp, z), z, rtol=1e-6, atol=1e-6)


@given(z=st.floats(0, 6))
def test_cubic_is_exact_on_a_cubic_in_z(z):
    cubic = (np.arange(7.0) ** 3 - 4 * np.arange(7.0) ** 2)[:, None, None] * np.ones((7, 16, 16))
    np.testing.assert_allclose(interpolate(cubic, z, method="cubic"), z**3 - 4 * z**2, atol=2e-3)


def test_cubic_of_a_long_stack_equals_the_spline_through_all_its_sections():
    stack = np.random.default_rng(0).standard_normal((60, 16, 16)).astype(np.float32)
    spline = CubicSpline(np.arange(60), stack, axis=0)
    for z in (0.4, 13.5, 30.2, 58.9):
        np.testing.assert_allclose(interpolate(stack, z, method="cubic"), spline(z), atol=1e-5)


def test_flow_follows_motion_that_linear_blurs():
    stack, truth = moving_texture((4.0, -6.0))
    inner = np.s_[16:-16, 16:-16]
    errors = {
        method: np.abs(interpolate(stack, 0.5, method=method)[inner] - truth(0.5)[inner]).mean()
        for method in ("linear", "flow")
    }
    assert errors["flow"] < 0.15 * errors["linear"]


@pytest.mark.parametrize("halved", [False, True])
def test_flow_is_the_motion_at_either_size(halved):
    below, above = moving_texture((3.0, -5.0))[0]
    up, down = baselines.both_flows(below, above, halved=halved)
    assert up.shape == down.shape == (*below.shape, 2)
    inner = (slice(16, -16), slice(16, -16))
    assert up[inner].mean((0, 1)) == pytest.approx((3, -5), abs=0.5)
    assert down[inner].mean((0, 1)) == pytest.approx((-3, 5), abs=0.5)


def test_flow_of_one_pair_is_computed_once(monkeypatch, sections):
    calls = []
    original = baselines.optical_flow
    monkeypatch.setattr(baselines, "optical_flow", lambda *pair: calls.append(1) or original(*pair))
    flow = Interpolator(sections, "flow")
    for k in range(13):
        flow.section(k / 6)
    assert len(calls) == 4  # two pairs, both ways


def test_flow_gives_opencv_its_threads_back(sections):
    before = cv2.getNumThreads()
    interpolate(sections, 0.5, method="flow")
    assert cv2.getNumThreads() == before


def test_a_constant_pair_has_no_flow_and_no_warning():
    np.testing.assert_array_equal(interpolate(np.ones((2, 32, 32)), 0.5, method="flow"), 1)


def test_blur_is_a_gaussian_in_xy(sections):
    sharp = interpolate(sections, 1.5)
    np.testing.assert_allclose(interpolate(sections, 1.5, blur_px=0.7), gaussian_filter(sharp, 0.7), atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 2), (1, 7), (3, 2)])
@pytest.mark.parametrize("sigma_px", [0.7, 2.0, 6.0])
def test_blurring_is_scipys(shape, sigma_px):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = gaussian_filter(image, (sigma_px, sigma_px, 0)[: image.ndim])
    np.testing.assert_allclose(blurred(image, sigma_px), expected, atol=1e-6)


def test_returned_images_are_the_callers_own(sections):
    linear = Interpolator(sections, "linear")
    linear.section(2)[:] = 99
    np.testing.assert_array_equal(linear.section(2), sections[2])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_volume_gives_float32_in_its_own_unit(dtype):
    volume = Volume(np.arange(3 * 16 * 16).reshape(3, 16, 16).astype(dtype), (40, 4, 4))
    image = Interpolator(volume).section(1)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, volume.section(1))


@pytest.mark.parametrize("z", [-0.1, 6.01, float("nan"), float("inf")])
def test_z_outside_the_stack_is_refused_with_the_range(z, sections):
    with pytest.raises(SectionRangeError, match=r"within 0\.\.6"):
        interpolate(sections, z)


@given(method=st.sampled_from(METHODS), blur_px=st.sampled_from([0.0, 0.7, 1.0, 2.25]))
def test_names_are_read_back(method, blur_px):
    baseline = Baseline(method=method, blur_px=blur_px)
    assert Baseline.parse(baseline.name) == baseline


def test_a_plain_blur_is_the_published_one():
    assert Baseline.parse("flow+blur") == Baseline(method="flow", blur_px=0.7)


@pytest.mark.parametrize("name", ["", "cubik", "linear+", "linear+blur-1", "linear+blur0.7px", "Linear", "emgauss"])
def test_unknown_names_are_refused_with_the_known_ones(name):
    with pytest.raises(ConfigError, match="nearest, linear, cubic, flow"):
        Baseline.parse(name)


@pytest.mark.parametrize("blur_px", [-1, float("nan"), float("inf")])
def test_impossible_blur_is_refused(blur_px):
    with pytest.raises(ConfigError, match="blur_px"):
        Baseline(blur_px=blur_px)


def test_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="method must be one of nearest"):
        Baseline(method="quintic")


def test_nan_sections_are_refused(sections):
    sections[3, 2, 2] = np.nan
    with pytest.raises(VolumeError, match="section 3 has 1 NaN"):
        interpolate(sections, 2.5)


def test_a_single_image_is_refused(sections):
    with pytest.raises(VolumeError, match=r"\(n, Y, X\), got \(40, 36\)"):
        Interpolator(sections[0])


def test_interpolators_by_other_baselines_share_their_flows(sections, monkeypatch):
    names = ("flow", "flow+blur0.7", "linear+blur1.0")
    alone = [Interpolator(sections, name).section(0.4) for name in names]
    found, both_flows = [], baselines.both_flows
    monkeypatch.setattr(baselines, "both_flows", lambda *pair: found.append(pair) or both_flows(*pair))
    first = Interpolator(sections)
    for name, image in zip(names, alone, strict=True):
        np.testing.assert_array_equal(first.by(name).section(0.4), image)
    assert len(found) == 1
    assert first.baseline.name == "linear"
