import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import napari_emgauss as eg
from napari_emgauss.errors import BackendUnavailableError, ConfigError, SectionRangeError
from napari_emgauss.interpolation.plain import interpolate
from napari_emgauss.metrics import psnr, ssim

TINY = {"newton_steps": 3, "spacing_px": 3.0, "adapt_spacing": False}
FAST_BFLOAT16 = "napari_emgauss.interpolation.prior.interpolator._has_fast_bfloat16"


@pytest.fixture(scope="module")
def result(stack):
    return eg.reconstruct(stack, **TINY)


@pytest.fixture(scope="module")
def exact(stack):
    """The same in float32 throughout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FAST_BFLOAT16, lambda: False)
        return eg.reconstruct(stack, **TINY)


def test_a_section_resembles_the_observed_one(result, stack):
    truth = stack.section(2).astype(np.float32)
    assert psnr(result.render(2) / 255, truth / 255) > 20
    assert result.render(2).dtype == np.float32


@pytest.mark.parametrize("z", [-0.01, 4.01, float("nan"), float("inf")])
def test_depths_outside_the_stack_are_refused_with_the_range(result, z):
    with pytest.raises(SectionRangeError, match=r"0\.\.4"):
        result.render(z)


@pytest.mark.parametrize(
    "region",
    [(-1, 5, 0, 5), (0, 99, 0, 5), (5, 5, 0, 5), (9, 3, 0, 5), (0, 5, 0), (0.5, 5, 0, 5), (0, float("nan"), 0, 5)],
)
def test_regions_outside_the_section_are_refused(result, region):
    with pytest.raises(ConfigError, match="region"):
        result.render(1, region=region)


def test_a_region_equals_that_part_of_the_section(result):
    assert result.render(1.3, region=(7, 30, 11, 35)) == pytest.approx(result.render(1.3)[7:30, 11:35], abs=0.05)


def test_zoom_halves_the_section_and_keeps_its_brightness(result):
    small = result.render(1.3, zoom=0.5)
    assert small.shape == (24, 20)
    assert small.mean() == pytest.approx(result.render(1.3).mean(), rel=0.02)


def test_every_pixel_of_a_small_view_is_drawn():
    """47 px at zoom 0.5 round to 24, the last of which is centred on the section's very edge: its corners are dark."""
    flat = eg.Volume(np.full((3, 47, 43), 200, np.uint8), (48, 8, 8))
    flat.data[:, ::2, ::2] -= 20
    result = eg.reconstruct(flat, **TINY)
    for zoom in (0.5, 0.3, 0.1, 0.01):
        image = result.render(0.5, zoom=zoom)
        assert image == pytest.approx(np.full(image.shape, 195), abs=16)


def test_zoomed_tiles_equal_the_whole_section_zoomed():
    data = np.linspace(50, 200, 60, dtype=np.float32) + np.linspace(0, 40, 71, dtype=np.float32)[:, None]
    volume = eg.Volume(np.stack([data, data + 5, data + 9]), (48, 8, 8))
    settings = {"preset": "fast", "adapt_spacing": False, "use_teacher": False}
    whole = eg.reconstruct(volume, **settings)
    tiled = eg.reconstruct(volume, tile_px=33, tile_overlap_px=8, **settings)
    assert len(tiled.models) > 4
    for zoom in (0.5, 1.0, 1.7):
        difference = np.abs(tiled.render(1.4, zoom=zoom) - whole.render(1.4, zoom=zoom))
        assert difference.mean() < 1.5
        assert difference.max() < 15


def test_resampling_is_isotropic_and_keeps_the_observed_planes(result, stack):
    volume = result.resample()
    assert volume.voxel_size_nm == (8, 8, 8)
    assert volume.shape == (25, 48, 40)
    assert volume.dtype == stack.dtype
    for k in range(5):
        assert np.array_equal(volume.data[6 * k], np.clip(np.rint(result.render(k)), 0, 255).astype(np.uint8))


def test_resampling_obeys_the_plane_count_at_any_spacing(result):
    dz_nm, n = result.voxel_size_nm[0], 5
    for dz in (7.0, 11.0, 48.0, 50.0):
        assert result.planes((dz, 8, 8)).shape[0] == int(np.floor((n - 1) * dz_nm / dz)) + 1
    assert result.planes((8, 16, 16)).shape[1:] == (24, 20)
    assert result.planes((8, 16, 16))[3].shape == (24, 20)


def test_pixels_that_are_not_square_are_resampled_to_the_finer_side():
    y, x = np.meshgrid(np.arange(30.0), np.arange(40.0), indexing="ij")
    ramp = (2 * y + 3 * x).astype(np.float32)
    result = eg.reconstruct(eg.Volume(np.stack([ramp] * 3), (40, 12, 8), (5, 6, 7)), adapt_spacing=False)
    volume = result.resample()
    assert volume.voxel_size_nm == (8, 8, 8)
    assert volume.origin_nm == (5, 6, 7)
    assert volume.shape == (11, 29 * 12 // 8 + 1, 40)
    expected = 2 * np.arange(volume.shape[1])[:, None] * 8 / 12 + 3 * np.arange(40)
    error = (volume.data[4] - expected)[4:-4, 4:-4]
    assert abs(error.mean()) < 0.3  # half a voxel along y would be 0.67
    assert np.abs(error).max() < 8


def test_lazy_planes_are_written_like_resampled_ones(result, tmp_path):
    eg.write(result.lazy(), tmp_path / "lazy.tif")
    assert np.array_equal(eg.read(tmp_path / "lazy.tif").data, result.resample().data)


def test_planes_behave_like_an_array(result):
    planes, volume = result.planes(), result.resample().data
    assert len(planes) == 25
    assert np.array_equal(planes[3:9:2], volume[3:9:2])
    assert np.array_equal(planes[-1], volume[-1])
    assert np.array_equal(planes[4, 5:9, 3], volume[4, 5:9, 3])
    with pytest.raises(IndexError):
        planes[25]


@pytest.mark.parametrize(
    ("dtype", "gain", "offset"),
    [
        (np.uint16, 257, 0),
        (np.int16, 100, -12_000),
        (np.float32, 30.0, 1e6),
    ],
)
def test_any_intensity_range_comes_back_in_its_units(stack, exact, dtype, gain, offset, monkeypatch):
    # In bfloat16 the last bit of an intensity can decide where a Gaussian is placed.
    monkeypatch.setattr(FAST_BFLOAT16, lambda: False)
    data = (stack.as_float() * gain + offset).astype(dtype)
    other = eg.reconstruct(eg.Volume(data, stack.voxel_size_nm), **TINY)
    assert (other.render(1.5) - offset) / gain == pytest.approx(exact.render(1.5), abs=3)
    assert other.resample().dtype == dtype


@pytest.mark.parametrize("level", [np.uint8(77), np.float32(0), np.float32(-1e6), np.float32(1e20)])
def test_a_constant_stack_stays_constant(level):
    flat = eg.Volume(np.full((3, 20, 20), level), (40, 8, 8))
    assert eg.reconstruct(flat, **TINY).render(0.5) == pytest.approx(np.full((20, 20), level), abs=0.5, rel=1e-5)


def test_a_left_out_section_is_repaired_from_its_neighbours(stack):
    data = np.array(stack.data)
    data[2] = 0
    repaired = eg.reconstruct(eg.Volume(data, stack.voxel_size_nm), leave_out=(2,), **TINY)
    assert psnr(repaired.render(2) / 255, stack.section(2) / np.float32(255)) > 14


def test_a_left_out_section_is_not_even_looked_at(stack, result, tmp_path):
    data = stack.as_float()
    data[2] = np.nan
    settings = {"leave_out": [2], "checkpoint": tmp_path, **TINY}
    repaired = eg.reconstruct(eg.Volume(data, stack.voxel_size_nm), **settings)
    data[2] = 1e9
    again = eg.reconstruct(eg.Volume(data, stack.voxel_size_nm), leave_out=(2,), **TINY)
    assert np.array_equal(repaired.render(1.7), again.render(1.7))
    with pytest.raises(ValueError, match="no intensities"):
        eg.reconstruct(eg.Volume(np.full_like(data, np.nan), stack.voxel_size_nm), **TINY)


def test_numbers_of_numpy_are_taken_and_can_be_saved(stack, tmp_path):
    settings = {"hold_out": np.array([1, 3]), "spacing_px": np.float32(4), "joint": np.int64(1), "bootstrap": 0}
    result = eg.reconstruct(stack, seed=np.int64(3), **settings)
    assert eg.load(result.save(tmp_path / "m.emgauss")).config == result.config
    assert result.config.sections.hold_out == (1, 3)


def test_a_section_held_out_is_not_trained_on(stack):
    changed = np.array(stack.data)
    changed[2] = 255 - changed[2]
    first = eg.reconstruct(stack, hold_out=(2,), **TINY)
    second = eg.reconstruct(eg.Volume(changed, stack.voxel_size_nm), hold_out=(2,), **TINY)
    assert np.array_equal(first.render(2), second.render(2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "quick"}, "preset must be one of"),
        ({"spacing": 3}, "Did you mean spacing_px"),
        ({"spacing_px": -1}, "must be positive"),
        ({"teacher": "ema", "ema_decay": 1.5}, "within 0..1"),
        ({"hold_out": (0,)}, "end of the stack"),
        ({"leave_out": (9,)}, r"within 0\.\.4"),
        ({"field": "anchored", "compositing": "alpha"}, "field='mlp'"),
        ({"newton_steps": 0}, "at least one"),
        ({"joint": 2.5}, "joint must be a whole number"),
        ({"joint": "3"}, "joint must be a whole number"),
        ({"joint": True}, "joint must be a whole number"),
        ({"field": "mlp", "densify": 1}, "densify must be True or False"),
        ({"spacing_px": "3"}, "spacing_px must be a finite number"),
        ({"rate_mean": float("nan")}, "rate_mean must be a finite number"),
        ({"rate_angle": -1e-3}, "rate_angle must not be negative"),
        ({"rate_mean_end": 0.0}, "rate_mean_end must be positive"),
        ({"hold_out": 2}, "hold_out must be a list"),
        ({"hold_out": (1.5,)}, "hold_out must be a list"),
        ({"hold_out": (1, 2, 3), "leave_out": (4,)}, "end of the stack"),
        ({"tile_overlap_px": 0}, "tile_overlap_px must be at least 1"),
        ({"bundle_sections": 6}, "more than twice bundle_overlap"),
        ({"densify": True}, "field='mlp'"),
        ({"field": "mlp", "initial_opacity": 1.0}, "both excluded"),
        ({"teacher": "ema", "pseudo_weight_start": -0.1}, "must not be negative"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 0.5}, "seed must be"),
    ],
)
def test_impossible_settings_are_refused_with_the_remedy(stack, settings, message):
    with pytest.raises(ConfigError, match=message):
        eg.reconstruct(stack, **settings)


def test_an_absent_device_is_an_error_not_a_fallback(stack):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(BackendUnavailableError, match="device='cpu'"):
        eg.reconstruct(stack, device="cuda", **TINY)


def test_a_stack_larger_than_memory_is_refused_before_training(stack, monkeypatch):
    class Full:
        available = 1000

    monkeypatch.setattr("psutil.virtual_memory", Full)
    with pytest.raises(MemoryError, match="B are free"):
        eg.reconstruct(stack, **TINY)


BLOCKS = {"tile_px": 40, "tile_overlap_px": 12, "bundle_sections": 5, "bundle_overlap": 2}


def test_blocks_that_disagree_fade_into_each_other():
    flat = eg.Volume(np.full((6, 64, 64), 100, np.uint8), (48, 8, 8))
    quick = {"preset": "fast", "newton_steps": 1, "spacing_px": 3.0, "adapt_spacing": False, "use_teacher": False}
    result = eg.reconstruct(flat, leave_out_damaged=False, **quick, **BLOCKS)
    for block, model in zip(result.plan.blocks, result.models, strict=True):
        model.background += 10 * (block.z + block.y + block.x)
    planes = np.stack([result.render(z) for z in np.arange(0, 5.01, 1 / 6)])
    assert planes.min() == pytest.approx(100, abs=0.1)
    assert planes.max() == pytest.approx(130, abs=0.1)
    for axis, steps in ((0, 6), (1, 11), (2, 11)):  # the overlaps are 1 gap and at least 11 px wide
        assert np.abs(np.diff(planes, axis=axis)).max() < 10 / steps + 0.1


def test_tiles_and_bundles_leave_no_visible_seam():
    """Across every row, column and plane the picture changes as much as the truth does, up to a fifth."""
    data = gaussian_filter(np.random.default_rng(0).standard_normal((6, 64, 64)), (1, 2, 2))
    data = (data / data.std() * 40 + 128).clip(0, 255).astype(np.uint8)
    settings = {"preset": "fast", "spacing_px": 2.5, "adapt_spacing": False, **BLOCKS}
    result = eg.reconstruct(eg.Volume(data, (24, 8, 8)), **settings)
    assert len(result.models) == 8
    sections = np.stack([result.render(z) for z in range(6)])
    planes = np.stack([result.render(k / 6) for k in range(31)])
    # Between sections the truth is taken to change evenly.
    changes = [(planes, np.repeat(jumps(data, 0), 6) / 6, 0)] + [(sections, jumps(data, a), a) for a in (1, 2)]
    for picture, truth, axis in changes:
        ratio = jumps(picture, axis) / truth
        assert ratio[2:-2].max() < 1.2 * np.median(ratio)


def jumps(image, axis):
    """Mean absolute difference of neighbours along ``axis``, one for each place between them."""
    others = tuple(a for a in range(3) if a != axis)
    return np.abs(np.diff(image.astype(np.float32), axis=axis)).mean(axis=others)


@pytest.mark.slow
def test_fast_beats_linear_interpolation_on_a_real_stack(fib25):
    volume = eg.Volume(fib25[::6], (48, 8, 8))
    result = eg.reconstruct(volume, preset="fast")
    gains = []
    for k in (k for k in range(len(fib25)) if k % 6):
        truth = fib25[k].astype(np.float32) / 255
        ours, linear = result.render(k / 6) / 255, interpolate(volume, k / 6) / 255
        gains.append((psnr(ours, truth) - psnr(linear, truth), ssim(ours, truth) - ssim(linear, truth)))
    assert np.mean(gains, 0)[0] >= 0.2
    assert np.mean(gains, 0)[1] >= 0.01
