"""Evidence from hidden sections."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter1d

from napari_emgauss.errors import VolumeError
from napari_emgauss.interpolation.lateral import LateralConfig, train_lateral
from napari_emgauss.interpolation.mixture import FusedInterpolator, Learned, Stack, assumed_evidence, gather_evidence
from napari_emgauss.interpolation.mixture.evidence import (
    HIDDEN,
    LEARNED_BELOW_PX,
    LEAST_SHARE,
    SHARPENING,
    TOLERATED_DB,
    _harmless_sharpening,
)
from napari_emgauss.interpolation.mixture.fusion import LATERAL, PLAIN, PRIOR, learned_detail
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.interpolation.prior import PriorInterpolator, load_prior
from napari_emgauss.phantoms import phantom

FACTOR = 5


QUICK = LateralConfig(
    steps=300, channels=16, dilations=(1, 2, 4), coefficients=6, batch_rows=24, window_px=64, evidence_sections=4
)


WITH_PRIOR = Learned(prior=load_prior())


def fibres(*, along=40, width=1.0, noise=0.02, seed=0, shape=(31, 64, 64)):
    """Fibres along z: sections differ by noise and by next to nothing else, while rows of a section are unrelated."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.standard_normal(shape, np.float32), (along, width, width), mode="wrap")
    return np.asarray(0.5 + 0.15 * texture / texture.std() + noise * rng.standard_normal(shape), np.float32)


def lateral_share(evidence):
    return sum(evidence.shares[name] for name in LATERAL)


def mse(image, truth):
    return float(np.mean((image - truth) ** 2))


def test_evidence_trusts_the_network_where_tissue_is_alike_along_all_axes(truth, sections, trained):
    evidence = gather_evidence(Stack(sections, FACTOR), Learned(lateral=trained))
    assert lateral_share(evidence) > 0.5
    assert evidence.psnr_db["fused"] > max(evidence.psnr_db["linear"], evidence.psnr_db["flow"]) + 0.1
    assert evidence.n_hidden == QUICK.evidence_sections


def test_evidence_trusts_the_prior_on_tissue():
    tissue = np.asarray(phantom((31, 64, 64), seed=0).data, np.float32) / 255
    sections = np.ascontiguousarray(tissue[::FACTOR])
    evidence = gather_evidence(Stack(sections, FACTOR), WITH_PRIOR)
    assert evidence.shares[PRIOR] > 0.5
    assert evidence.psnr_db["fused"] > max(evidence.psnr_db[name] for name in PLAIN) + 0.5
    assert evidence.n_hidden == len(sections) - 2


def prior_of(sections):
    return WITH_PRIOR


def lateral_of(sections):
    return Learned(lateral=train_lateral(sections, FACTOR, config=QUICK))


UNLIKE_TISSUE = {
    "fibres": fibres(),
    "slow change": fibres(along=20, width=3.0, noise=0.05),
    "sections averaged over their thickness": uniform_filter1d(fibres(along=3.5, width=3.5), FACTOR, axis=0),
    "random texture": fibres(along=3.5, width=3.5, noise=0.03),
    "noise": fibres(along=0.3, width=0.3),
    "texture of 1 px": fibres(along=1.0, width=1.0),
}


@pytest.mark.parametrize(
    ("learn", "kind"),
    [(prior_of, kind) for kind in UNLIKE_TISSUE] + [(lateral_of, kind) for kind in ("slow change", "random texture")],
)
def test_a_mixture_is_no_worse_than_any_plain_method_where_a_network_does_not_know_the_texture(learn, kind):
    stack = UNLIKE_TISSUE[kind]
    sections = np.ascontiguousarray(stack[::FACTOR])
    learned = learn(sections)
    evidence = gather_evidence(Stack(sections, FACTOR), learned)
    fused = FusedInterpolator(Stack(sections, FACTOR), evidence.shares, learned)
    hidden = [z for z in range(len(stack)) if z % FACTOR]

    def error(section):
        return np.mean([mse(section(z / FACTOR), stack[z]) for z in hidden])

    # The lateral network keeps more of a share on random texture: there the six that blur least are the measure.
    names, tolerated_db = (PLAIN, 0.05) if learn is prior_of else (PLAIN[:6], 0.2)
    best_plain = min(error(Interpolator(sections, name).section) for name in names)
    assert 10 * np.log10(error(fused.section) / best_plain) < tolerated_db


def test_cubic_interpolation_has_a_share_where_sections_are_averaged_over_their_thickness():
    sections = np.ascontiguousarray(UNLIKE_TISSUE["sections averaged over their thickness"][::FACTOR])
    shares = gather_evidence(Stack(sections, FACTOR), WITH_PRIOR).shares
    assert shares["cubic"] + shares["cubic+blur0.7"] > 0.1


def test_hidden_sections_alone_decide_the_shares_on_tissue(monkeypatch):
    tissue = np.asarray(phantom((31, 64, 64), seed=0).data, np.float32) / 255
    stack = Stack(np.ascontiguousarray(tissue[::FACTOR]), FACTOR)
    evidence = gather_evidence(stack, WITH_PRIOR)
    assert evidence.expected_mse is None
    monkeypatch.setattr("napari_emgauss.interpolation.mixture.evidence.fit_texture", lambda stacks: None)
    assert gather_evidence(stack, WITH_PRIOR).shares == evidence.shares


@pytest.mark.parametrize(("largest", "finer_px"), [(2 * FACTOR, 0), (2 * FACTOR - 1, LEARNED_BELOW_PX)])
def test_detail_is_the_priors_alone_where_it_cannot_be_told_how_far_hidden_sections_are_apart(
    monkeypatch, largest, finer_px
):
    monkeypatch.setattr("napari_emgauss.interpolation.mixture.evidence.LARGEST_FACTOR", largest)
    tissue = np.asarray(phantom((31, 64, 64), seed=0).data, np.float32) / 255
    evidence = gather_evidence(Stack(np.ascontiguousarray(tissue[::FACTOR]), FACTOR), WITH_PRIOR)
    assert evidence.shares[PRIOR] > LEAST_SHARE
    assert evidence.learned_below_px == finer_px


@pytest.mark.parametrize("learn", [prior_of, lateral_of], ids=["prior", "lateral"])
def test_a_network_loses_its_share_where_sections_are_alike_and_rows_are_not(learn):
    sections = np.ascontiguousarray(fibres()[::FACTOR])
    shares = gather_evidence(Stack(sections, FACTOR), learn(sections)).shares
    assert shares.get(PRIOR, 0) + sum(shares.get(name, 0) for name in LATERAL) < 0.05


def test_nothing_learned_is_trusted_where_nothing_is_known_at_twice_the_distance_and_no_texture_fits(monkeypatch):
    sections = np.ascontiguousarray(fibres(along=1.0, shape=(26, 64, 64))[::FACTOR])
    assert gather_evidence(Stack(sections, FACTOR), WITH_PRIOR).shares[PRIOR] > 0.1
    monkeypatch.setattr("napari_emgauss.interpolation.mixture.evidence.fit_texture", lambda stacks: None)
    shares = gather_evidence(Stack(sections, FACTOR), WITH_PRIOR).shares
    assert shares[PRIOR] == 0
    assert sum(shares.values()) == pytest.approx(1)


def test_the_prior_knows_that_the_gap_is_twice_as_wide(monkeypatch):
    seen = []
    made = PriorInterpolator.__init__

    def watched(self, sections, factor, **settings):
        seen.append((len(sections), factor * (settings["z"][1] - settings["z"][0])))
        made(self, sections, factor, **settings)

    monkeypatch.setattr(PriorInterpolator, "__init__", watched)
    gather_evidence(Stack(fibres(shape=(6, 24, 24)), FACTOR), WITH_PRIOR)
    assert seen == [(3, 2 * FACTOR), (3, 2 * FACTOR)]


def test_at_most_so_many_sections_are_hidden():
    evidence = gather_evidence(Stack(fibres(shape=(40, 16, 16)), FACTOR))
    assert evidence.n_hidden == HIDDEN


def test_two_sections_are_left_to_the_prior_and_without_one_to_flow():
    assert assumed_evidence(WITH_PRIOR).shares[PRIOR] > 0.5
    for learned, best in ((WITH_PRIOR, PRIOR), (Learned(), "flow+blur0.7")):
        evidence = assumed_evidence(learned)
        assert sum(evidence.shares.values()) == pytest.approx(1)
        assert max(evidence.shares, key=evidence.shares.get) == best
        assert (evidence.n_hidden, evidence.psnr_db) == (0, {})


@pytest.mark.parametrize("n_sections", [3, 4, 5])
def test_evidence_hides_each_inner_section_of_a_short_stack(sections, trained, n_sections):
    evidence = gather_evidence(Stack(sections[:n_sections], FACTOR), Learned(lateral=trained))
    assert evidence.n_hidden == min(n_sections - 2, QUICK.evidence_sections)
    assert sum(evidence.shares.values()) == pytest.approx(1)


def test_two_sections_give_no_evidence(sections, trained):
    with pytest.raises(VolumeError, match="at least 3"):
        gather_evidence(Stack(sections[:2], FACTOR), Learned(lateral=trained))


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
