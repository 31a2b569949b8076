"""Damage put into real and synthetic stacks is found, and healthy stacks raise no alarm."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter1d

from napari_emgauss.errors import VolumeError
from napari_emgauss.phantoms import phantom
from napari_emgauss.sections import inspect, left_out
from napari_emgauss.volume import Volume

AT = 6


@pytest.fixture(scope="module")
def healthy():
    return np.asarray(phantom((41, 96, 96), seed=2).every(2).data)


def blank(stack):
    stack[AT] = 0


def swapped(stack):
    stack[AT] = stack[-2][::-1]


def blurred(stack):
    stack[AT] = gaussian_filter(stack[AT], 3)


def folded(stack):
    stack[AT, :, 20:40] = 0


def missing_strip(stack):
    stack[AT, 30:50] = 255


def volume(stack):
    return Volume(stack, (16, 8, 8))


def test_a_healthy_stack_raises_no_alarm(healthy):
    qualities = inspect(volume(healthy))
    assert [q.index for q in qualities] == list(range(len(healthy)))
    assert not any(q.damage for q in qualities)
    assert all(0 <= q.suspicion < 0.5 for q in qualities)


@pytest.mark.parametrize("damage", [blank, swapped, blurred, folded, missing_strip])
def test_damage_is_found_where_it_is(healthy, damage):
    stack = healthy.copy()
    damage(stack)
    assert left_out(inspect(volume(stack))) == (AT,)
    (quality,) = (q for q in inspect(volume(stack)) if q.damage)
    assert quality.suspicion >= 0.5
    assert quality.index == AT


@pytest.mark.parametrize("step", [60, -60])
def test_a_brightness_step_is_told_but_no_reason_to_leave_a_section_out(healthy, step):
    stack = healthy.copy()
    stack[AT] = np.clip(stack[AT].astype(int) + step, 0, 255)
    qualities = inspect(volume(stack))
    assert any("brighter" in word or "darker" in word for word in qualities[AT].damage)
    assert left_out(qualities) == ()


def test_the_ends_are_never_left_out(healthy):
    stack = healthy.copy()
    stack[0] = stack[-1] = 0
    qualities = inspect(volume(stack))
    assert qualities[0].damage
    assert qualities[-1].damage
    assert left_out(qualities) == ()


def test_sections_with_nan_are_reported_and_not_refused(healthy):
    stack = healthy.astype(np.float32)
    stack[AT, 3, 3] = np.nan
    with pytest.raises(VolumeError):
        volume(stack).section(AT)
    assert left_out(inspect(volume(stack))) == (AT,)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("damage", [blank, swapped, blurred, folded, missing_strip])
def test_large_sections_are_judged_in_bands_as_whole_ones_are(healthy, damage, dtype, monkeypatch):
    stack = np.pad(healthy, ((0, 0), (0, 234), (0, 178)), mode="reflect")
    damage(stack)
    stack = stack.astype(dtype)
    whole = inspect(volume(stack), max_side_px=128)
    monkeypatch.setattr("napari_emgauss.volume.BAND_BYTES", 1)
    read, recorded = [], Volume.recorded
    monkeypatch.setattr(Volume, "recorded", lambda self, *part: read.append(part) or recorded(self, *part))
    bands = inspect(volume(stack), max_side_px=128)
    assert all(len(part) == 2 for part in read), "a section was read whole"
    assert left_out(bands) == left_out(whole) == (AT,)
    for one, other in zip(bands, whole, strict=True):
        assert [one.mean, one.spread, one.noise] == pytest.approx([other.mean, other.spread, other.noise], rel=0.05)


def test_a_stop_judges_what_was_read(healthy):
    read = []
    qualities = inspect(volume(healthy), progress=lambda done, of: read.append(done), stop=lambda: len(read) >= 4)
    assert len(qualities) == len(read) == 4


@pytest.mark.parametrize("shift", [0, 40])
def test_real_sections_raise_no_alarm_and_their_damage_is_found(fib25, shift):
    stack = fib25[::3].copy()
    assert left_out(inspect(volume(stack))) == ()
    stack[5] = np.roll(stack[5], 50, axis=1) if shift else 0
    assert left_out(inspect(volume(stack))) == (5,)


@pytest.mark.parametrize(("scale", "offset"), [(1e-7, 0), (1e-9, 0), (1e-35, 0), (1e-6, 3), (1e28, 0), (1, 1e4)])
def test_intensities_of_any_scale_are_judged_by_their_own_spread(healthy, scale, offset):
    # Parentheses: a scale so small has to meet an integer in double precision.
    stack = (healthy * np.float64(scale) + offset).astype(np.float32)
    assert not any(q.damage for q in inspect(volume(stack)))
    stack[AT] = stack[AT].mean()
    stack[AT + 2] = stack[AT + 2, ::-1]
    qualities = inspect(volume(stack))
    assert left_out(qualities) == (AT, AT + 2)
    assert "blank" in qualities[AT].damage
    assert qualities[0].spread == pytest.approx(scale * healthy[0].std(), rel=0.02)


@pytest.mark.parametrize("value", [3e38, -3e38, 1e12, np.inf, -np.inf, np.nan])
def test_pixels_far_beyond_all_others_make_a_section_unusable(healthy, value):
    stack = healthy.astype(np.float32)
    stack[AT, 3, 3] = value
    qualities = inspect(volume(stack))
    assert left_out(qualities) == (AT,)
    assert [q.index for q in qualities if q.damage] == [AT]
    assert all(np.isfinite([q.mean, q.spread, q.noise, q.suspicion]).all() for q in qualities)


def test_a_bright_pixel_within_reason_is_no_damage(healthy):
    stack = healthy.astype(np.float32)
    stack[AT, 3, 3] = 20 * stack.max()
    assert left_out(inspect(volume(stack))) == ()


def two_intensities(seed, *, thickness=6):
    """Sections of this thickness through black and white: half of the pixels have an extreme value, most blocks one."""
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((61, 96, 96), np.float32), 8, mode="wrap")
    return uniform_filter1d(np.where(field > 0, 0.8, 0.2).astype(np.float32), thickness, axis=0)[::6].copy()


@pytest.mark.parametrize("seed", [2, 10, 15])
def test_a_material_of_two_intensities_is_not_torn(seed):
    assert left_out(inspect(volume(two_intensities(seed)))) == ()


def test_a_torn_section_of_two_intensities_is_found():
    stack = two_intensities(2)
    stack[AT, 20:45] = -0.5
    assert left_out(inspect(volume(stack))) == (AT,)


@pytest.fixture(scope="module", params=[0, 20], ids=["on black", "on grey"])
def body(request):
    """A body of tissue that grows and ends, on a ground of one intensity."""
    tissue = np.asarray(phantom((41, 128, 128), seed=2).every(2).data)
    z, y, x = np.ogrid[-1 : 1 : len(tissue) * 1j, -1:1:128j, -1:1:128j]
    return np.where((z / 1.2) ** 2 + y**2 + (1.2 * x - 0.2 * z) ** 2 < 0.9, tissue, request.param).astype(tissue.dtype)


def test_the_ground_on_which_a_body_lies_is_no_damage(body):
    assert left_out(inspect(volume(body))) == ()


@pytest.mark.parametrize("damage", [blank, folded, missing_strip])
def test_damage_to_a_body_on_a_ground_is_found(body, damage):
    stack = body.copy()
    damage(stack)
    assert left_out(inspect(volume(stack))) == (AT,)


def test_sections_beyond_the_ends_of_a_body_are_told_but_not_made_of_its_last_ones(body):
    stack = body.copy()
    stack[:3] = stack[-4:] = stack[0, 0, 0]
    stack[AT] = stack[0, 0, 0]
    qualities = inspect(volume(stack))
    assert left_out(qualities) == (AT,)
    assert [q.index for q in qualities if q.damage == ("blank",)] == [0, 1, 2, AT, 17, 18, 19, 20]


def test_sections_of_which_all_are_noise_are_not_blank_but_one_without_noise_is():
    stack = np.random.default_rng(0).normal(0.5, 0.15, (11, 96, 96)).astype(np.float32)
    assert not any(q.damage for q in inspect(volume(stack)))
    stack[AT] = 0.5
    assert left_out(inspect(volume(stack))) == (AT,)


def test_a_section_of_nothing_but_noise_is_blank_among_others(healthy):
    stack = healthy.astype(np.float32)
    stack[AT] = np.random.default_rng(0).normal(stack[AT].mean(), 10, stack[AT].shape)
    qualities = inspect(volume(stack))
    assert left_out(qualities) == (AT,)
    assert qualities[AT].damage == ("blank",)
