"""The lateral network: laws of its parts, and that it learns what a stack's own sections show."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from napari_emgauss.errors import ConfigError, ModelFileError, SectionRangeError, VolumeError
from napari_emgauss.interpolation.lateral import (
    FusedInterpolator,
    LateralConfig,
    LateralNetwork,
    fit_shares,
    gather_evidence,
    train_lateral,
)
from napari_emgauss.interpolation.lateral.alignment import SurroundingSections
from napari_emgauss.interpolation.lateral.config import gaps_px
from napari_emgauss.interpolation.lateral.evidence import SHARPENING, TOLERATED_DB, _harmless_sharpening
from napari_emgauss.interpolation.lateral.fusion import PLAIN, SHARPENING_PX, learned_detail
from napari_emgauss.interpolation.lateral.rows import RowNetwork
from napari_emgauss.interpolation.lateral.samples import draw
from napari_emgauss.interpolation.plain import Interpolator

FACTOR = 5
QUICK = LateralConfig(
    steps=300, channels=16, dilations=(1, 2, 4), coefficients=6, batch_rows=24, window_px=64, evidence_sections=4
)


def isotropic(noise=0.0, *, seed=0, shape=(31, 72, 72)):
    """Texture that looks alike along z, y and x."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.standard_normal(shape, np.float32), 3.5, mode="wrap")
    texture = 0.5 + 0.15 * texture / texture.std()
    return np.asarray(texture + noise * rng.standard_normal(shape), np.float32)


def fibres(*, along=40, width=1.0, noise=0.02, seed=0, shape=(31, 64, 64)):
    """Fibres along z: sections differ by noise and by next to nothing else, while rows of a section are unrelated."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.standard_normal(shape, np.float32), (along, width, width), mode="wrap")
    return np.asarray(0.5 + 0.15 * texture / texture.std() + noise * rng.standard_normal(shape), np.float32)


def mse(image, truth):
    return float(np.mean((image - truth) ** 2))


@pytest.fixture(scope="module")
def truth():
    return isotropic(noise=0.03)


@pytest.fixture(scope="module")
def sections(truth):
    return np.ascontiguousarray(truth[::FACTOR])


@pytest.fixture(scope="module")
def trained(sections):
    return train_lateral(sections, FACTOR, config=QUICK)


@pytest.fixture
def untrained():
    rows = RowNetwork(QUICK, torch.Generator().manual_seed(0))
    return LateralNetwork(rows, config=QUICK, factor=FACTOR)


def test_hidden_planes_are_predicted_better_than_by_linear_and_flow_interpolation(truth, sections, trained):
    hidden = [z for z in range(len(truth)) if z % FACTOR]
    lateral = trained.on(sections)
    error = np.mean([mse(lateral.section(z / FACTOR)[0], truth[z]) for z in hidden])
    for name in ("linear", "flow", "linear+blur0.7"):
        plain = Interpolator(sections, name)
        assert error < 0.9 * np.mean([mse(plain.section(z / FACTOR), truth[z]) for z in hidden]), name


def test_an_observed_section_comes_back_with_no_disagreement(sections, trained):
    image, disagreement = trained.section(sections, 3)
    np.testing.assert_array_equal(image, sections[3])
    assert not disagreement.any()


def test_the_image_moves_smoothly_with_z(sections, trained):
    lateral = trained.on(sections)
    steps = [np.abs(lateral.section(2.5 + h)[0] - lateral.section(2.5)[0]).mean() for h in (1e-3, 1e-2)]
    assert 0 < steps[0] < 0.2 * steps[1]
    assert steps[1] < 0.02 * sections.std() * FACTOR


def test_the_order_in_which_sections_are_asked_for_does_not_matter(sections, trained):
    walked = trained.on(sections)
    for z in (0.5, 2.2, 5.9, 2.6):
        image = walked.section(z)[0]
    np.testing.assert_array_equal(image, trained.section(sections, 2.6)[0])


def test_swapping_y_and_x_swaps_the_planes(sections, trained):
    lower, phase = 2, 0.4
    stack = sections[lower - 1 : lower + 3]
    zx, zy = trained.planes(stack, phase)
    other_zx, other_zy = trained.planes(stack.transpose(0, 2, 1), phase)
    np.testing.assert_allclose(other_zx, zy.T, atol=1e-5)
    np.testing.assert_allclose(other_zy, zx.T, atol=1e-5)


def test_disagreement_is_larger_where_sections_are_unlike(sections, trained):
    broken = sections.copy()
    broken[3, :, 32:] = isotropic(seed=9)[0, :, 32:]
    disagreement = trained.section(broken, 2.6)[1]
    assert disagreement[:, 40:].mean() > 1.2 * disagreement[:, :24].mean()


def test_the_state_restores_the_network(sections, trained):
    state = trained.state()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    restored = LateralNetwork.from_state(state)
    assert restored.factor == trained.factor
    for mine, theirs in zip(restored.section(sections, 1.3), trained.section(sections, 1.3), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_state_with_a_tensor_missing_or_misshapen_is_refused(trained):
    state = trained.state()
    with pytest.raises(ModelFileError, match="cannot be restored"):
        LateralNetwork.from_state({k: v for k, v in state.items() if k != "factor"})
    with pytest.raises(ModelFileError, match="cannot be restored"):
        LateralNetwork.from_state({**state, "rows.entry.weight": torch.zeros(2, 2)})


def test_one_seed_gives_one_network_and_leaves_the_global_generator_alone(sections):
    config = LateralConfig(steps=4, channels=8, dilations=(1,), batch_rows=4)
    before = torch.random.get_rng_state()
    first, same, other = (train_lateral(sections, FACTOR, config=config, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for mine, again in zip(first.rows.parameters(), same.rows.parameters(), strict=True):
        assert torch.equal(mine, again)
    assert not torch.equal(first.rows.entry.weight, other.rows.entry.weight)


def test_training_stops_when_asked_and_reports_each_step(sections):
    seen = []
    network = train_lateral(
        sections,
        FACTOR,
        config=QUICK,
        should_stop=lambda: len(seen) == 3,
        on_progress=lambda step, steps, error: seen.append((step, steps, error)),
    )
    assert [step for step, _, _ in seen] == [1, 2, 3]
    assert seen[0][1] == QUICK.steps_for(sections.size)
    assert all(math.isfinite(error) for _, _, error in seen)
    assert network.section(sections, 0.5)[0].shape == sections.shape[1:]


@pytest.mark.parametrize("factor", [1.0, 2.5, 6.25])
def test_any_factor_trains(sections, factor):
    config = LateralConfig(steps=3, channels=8, dilations=(1,), batch_rows=4)
    image, _ = train_lateral(sections, factor, config=config).section(sections, 5.7)
    assert np.isfinite(image).all()


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_examples_show_rows_of_the_stack_at_the_phase_they_claim(reach):
    # A ramp along y and another along x: the value of a row tells where it is.
    y, _ = np.meshgrid(np.arange(40.0), np.arange(40.0), indexing="ij")
    ramp = np.stack([y, y.T]).astype(np.float32)
    config = LateralConfig(reach=reach, batch_rows=50)
    for seed in range(8):
        batch = draw(ramp, (3.0, 6.7), config=config, rng=np.random.default_rng(seed))
        below, above = batch.rows[:, reach - 1, None], batch.rows[:, reach, None]
        torch.testing.assert_close(torch.lerp(below, above, batch.phases[..., None]), batch.hidden)
        assert batch.gap_px.min() >= 3
        assert batch.gap_px.max() <= 7
        assert ((batch.phases > 0) & (batch.phases < 1)).all()


def test_an_untrained_residual_does_not_depend_on_brightness(untrained):
    rows = torch.rand((2, 4, 20), generator=torch.Generator().manual_seed(0))
    gap, phases = torch.tensor([5.0, 5.0]), torch.tensor([[0.3], [0.6]])
    torch.testing.assert_close(
        untrained.rows(rows + 3, gap, phases), untrained.rows(rows, gap, phases) + 3, atol=1e-5, rtol=0
    )


def test_alignment_carries_a_moving_texture_to_the_phase():
    big = gaussian_filter(np.random.default_rng(3).standard_normal((140, 140)).astype(np.float32), 4)
    shift = 4
    stack = np.stack([big[20 + shift * k : 100 + shift * k, 30:110] for k in range(4)])
    wanted = big[20 + shift + shift // 2 :][:80, 30:110]
    aligned = SurroundingSections(stack, reach=2).aligned(1, 0.5)
    inner = np.s_[16:-16, 16:-16]
    for image, untouched in zip(aligned, stack, strict=True):
        assert mse(image[inner], wanted[inner]) < 0.05 * mse(untouched[inner], wanted[inner])


def test_beyond_the_ends_the_last_section_repeats(sections):
    neighbours = SurroundingSections(sections, reach=3)
    np.testing.assert_array_equal(neighbours.straight(0), sections[[0, 0, 0, 1, 2, 3]])
    assert neighbours.aligned(len(sections) - 2, 0.3).shape == (6, *sections.shape[1:])


def test_evidence_trusts_the_network_where_tissue_is_alike_along_all_axes(truth, sections, trained):
    evidence = gather_evidence(sections, trained)
    assert evidence.lateral_share > 0.5
    assert evidence.psnr_db["fused"] > max(evidence.psnr_db["linear"], evidence.psnr_db["flow"]) + 0.1
    assert evidence.n_hidden == QUICK.evidence_sections


@pytest.mark.parametrize("stack", [fibres(), fibres(along=20, width=3.0, noise=0.05)], ids=["fibres", "slow change"])
def test_evidence_rejects_the_network_where_z_is_unlike_y_and_x(stack):
    sections = np.ascontiguousarray(stack[::FACTOR])
    network = train_lateral(sections, FACTOR, config=QUICK)
    evidence = gather_evidence(sections, network)
    assert evidence.lateral_share < 0.05
    fused = FusedInterpolator(network, sections, evidence.shares)
    hidden = [z for z in range(len(stack)) if z % FACTOR]

    def error(section):
        return np.mean([mse(section(z / FACTOR), stack[z]) for z in hidden])

    best_plain = min(error(Interpolator(sections, name).section) for name in PLAIN)
    assert 10 * np.log10(error(lambda z: fused.section(z)[0]) / best_plain) < 0.05


@pytest.mark.parametrize("n_sections", [3, 4, 5])
def test_evidence_hides_each_inner_section_of_a_short_stack(sections, trained, n_sections):
    evidence = gather_evidence(sections[:n_sections], trained)
    assert evidence.n_hidden == min(n_sections - 2, QUICK.evidence_sections)
    assert sum(evidence.shares.values()) == pytest.approx(1)


def test_a_mixture_of_one_part_is_that_part(sections, trained):
    fused = FusedInterpolator(trained, sections, {"flow": 1.0})
    image, spread = fused.section(1.25)
    np.testing.assert_allclose(image, Interpolator(sections, "flow").section(1.25), atol=1e-6)
    assert not spread.any()


@given(arrays(np.float64, (3, 40), elements=st.floats(-2, 2)), arrays(np.float64, 40, elements=st.floats(-2, 2)))
def test_no_part_beats_the_fitted_mixture(candidates, truth):
    shares = fit_shares(list(candidates), truth)
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1)
    mixture = sum(share * part for share, part in zip(shares, candidates, strict=True))
    assert mse(mixture, truth) <= min(mse(part, truth) for part in candidates) + 1e-4


def test_shares_of_a_known_mixture_are_found():
    parts = np.random.default_rng(0).standard_normal((3, 500))
    assert fit_shares(list(parts), 0.7 * parts[0] + 0.3 * parts[2]) == pytest.approx([0.7, 0, 0.3], abs=1e-3)


def test_what_cannot_work_is_refused_with_a_reason(sections, trained):
    with pytest.raises(ConfigError, match="factor"):
        train_lateral(sections, 0.5)
    with pytest.raises(VolumeError, match="too small"):
        train_lateral(sections[:, :16, :16], 10)
    with pytest.raises(VolumeError, match="NaN"):
        train_lateral(np.where(sections > 0.8, np.nan, sections), FACTOR)
    with pytest.raises(VolumeError, match="shape"):
        train_lateral(sections[0], FACTOR)
    with pytest.raises(SectionRangeError, match=r"0\.\.6"):
        trained.section(sections, 6.5)
    with pytest.raises(VolumeError, match="at least 3"):
        gather_evidence(sections[:2], trained)
    with pytest.raises(VolumeError, match="two sections"):
        trained.on(sections[:1])
    with pytest.raises(ValueError, match="sum to 1"):
        FusedInterpolator(trained, sections, {})
    with pytest.raises(ValueError, match="nonsense"):
        FusedInterpolator(trained, sections, {"nonsense": 1.0})


@pytest.mark.parametrize(
    "setting",
    [{"steps": 0}, {"dilations": ()}, {"gap_low": 2.0}, {"rate": 0.0}, {"average": 1.0}, {"weight_decay": -1}],
)
def test_a_setting_out_of_range_is_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        LateralConfig(**setting)


def test_gaps_shrink_to_what_the_sections_hold():
    config = LateralConfig()
    assert gaps_px(6, 500, config) == (6, 7.5)
    assert gaps_px(10, 22, config) == (10, 11)
    assert gaps_px(1, 500, config)[0] == 2
    assert config.steps_for(400_000) == config.steps
    assert config.steps_for(10**9) == 4 * config.steps


def test_sharpening_adds_detail_of_the_lateral_part_only(sections, trained):
    shares = {"straight": 0.5, "linear": 0.5}
    plain, sharp = (FusedInterpolator(trained, sections, shares, sharpening=a).section(2.4)[0] for a in (0.0, 1.0))
    straight = FusedInterpolator(trained, sections, {"straight": 1.0}).section(2.4)[0]
    np.testing.assert_allclose(sharp - plain, 0.5 * (straight - gaussian_filter(straight, SHARPENING_PX)), atol=1e-5)
    unlearned = [FusedInterpolator(None, sections, {"linear": 1.0}, sharpening=a).section(2.4)[0] for a in (0.0, 1.0)]
    np.testing.assert_array_equal(*unlearned)


def test_sharpening_is_as_strong_as_hidden_sections_allow():
    rng = np.random.default_rng(0)
    truth = gaussian_filter(rng.standard_normal((64, 64)), 2).astype(np.float32)
    around = np.stack([truth] * 3)
    shares = np.array([0.0, 1.0])
    blurred, exact = (np.stack([0 * truth, gaussian_filter(truth, sigma)]) for sigma in (1.5, 0.3))
    names = ("linear", "straight")
    assert _harmless_sharpening([(blurred, around)], shares, names) == SHARPENING
    strength = _harmless_sharpening([(exact, around)], shares, names)
    assert 0 < strength < 0.2
    mixed = exact[1] + strength * learned_detail({"straight": exact[1]}, {"straight": 1.0})
    assert mse(mixed, truth) == pytest.approx(mse(exact[1], truth) * 10 ** (TOLERATED_DB / 10), rel=1e-3)
    assert _harmless_sharpening([(blurred, around)], shares[::-1], names) == 0
