"""Evidence from hidden sections."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.errors import VolumeError
from napari_emgauss.interpolation.lateral import (
    FusedInterpolator,
    LateralConfig,
    gather_evidence,
    train_lateral,
)
from napari_emgauss.interpolation.lateral.evidence import SHARPENING, TOLERATED_DB, _harmless_sharpening
from napari_emgauss.interpolation.lateral.fusion import LATERAL, PLAIN, learned_detail
from napari_emgauss.interpolation.plain import Interpolator

FACTOR = 5


QUICK = LateralConfig(
    steps=300, channels=16, dilations=(1, 2, 4), coefficients=6, batch_rows=24, window_px=64, evidence_sections=4
)


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
    evidence = gather_evidence(sections, trained)
    assert lateral_share(evidence) > 0.5
    assert evidence.psnr_db["fused"] > max(evidence.psnr_db["linear"], evidence.psnr_db["flow"]) + 0.1
    assert evidence.n_hidden == QUICK.evidence_sections


@pytest.mark.parametrize("stack", [fibres(), fibres(along=20, width=3.0, noise=0.05)], ids=["fibres", "slow change"])
def test_evidence_rejects_the_network_where_z_is_unlike_y_and_x(stack):
    sections = np.ascontiguousarray(stack[::FACTOR])
    network = train_lateral(sections, FACTOR, config=QUICK)
    evidence = gather_evidence(sections, network)
    assert lateral_share(evidence) < 0.05
    fused = FusedInterpolator(network, sections, evidence.shares)
    hidden = [z for z in range(len(stack)) if z % FACTOR]

    def error(section):
        return np.mean([mse(section(z / FACTOR), stack[z]) for z in hidden])

    best_plain = min(error(Interpolator(sections, name).section) for name in PLAIN)
    assert 10 * np.log10(error(fused.section) / best_plain) < 0.05


@pytest.mark.parametrize("n_sections", [3, 4, 5])
def test_evidence_hides_each_inner_section_of_a_short_stack(sections, trained, n_sections):
    evidence = gather_evidence(sections[:n_sections], trained)
    assert evidence.n_hidden == min(n_sections - 2, QUICK.evidence_sections)
    assert sum(evidence.shares.values()) == pytest.approx(1)


def test_two_sections_give_no_evidence(sections, trained):
    with pytest.raises(VolumeError, match="at least 3"):
        gather_evidence(sections[:2], trained)


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
