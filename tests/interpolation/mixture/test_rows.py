"""Rows of sections, where these are alike in all directions and where they are not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.interpolation.mixture import FusedInterpolator, Learned, Stack, gather_evidence
from napari_emgauss.interpolation.mixture.fusion import PLAIN
from napari_emgauss.interpolation.mixture.rows import STILL, row_products, told_by_rows
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.interpolation.prior import load_prior

FACTOR = 6
SHAPE = (61, 80, 80)


def shells():
    """Layers around three centres: lost at twice the distance, plain at the distance itself."""
    z, y, x = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    image = np.full(SHAPE, 0.5)
    for (cz, cy, cx), period_px in (((-20, 20, 30), 17), ((75, 60, 50), 23), ((30, 40, 70), 13)):
        image += 0.12 * np.sin(2 * np.pi * np.sqrt((z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2) / period_px)
    return (image + 0.03 * np.random.default_rng(6).standard_normal(SHAPE)).astype(np.float32)


def texture(size_px):
    """Random texture as smooth as said along z, y and x."""
    return gaussian_filter(np.random.default_rng(0).standard_normal(SHAPE, np.float32), size_px, mode="wrap")


def errors(section, truth):
    """Mean squared error between sections, but for the outermost."""
    inner = range(FACTOR, len(truth) - FACTOR)
    return np.mean([np.mean((section(z / FACTOR) - truth[z]) ** 2) for z in inner if z % FACTOR])


def test_rows_of_what_is_alike_in_all_directions_tell_the_errors_between_sections():
    truth = texture(3)
    sections = np.ascontiguousarray(truth[::FACTOR])
    told = np.diag(row_products([Stack(sections, FACTOR)], 1))
    assert told == pytest.approx([errors(Interpolator(sections, name).section, truth) for name in STILL], rel=0.25)


def test_rows_tell_who_is_right_where_hidden_sections_cannot():
    truth, learned = shells(), Learned(prior=load_prior())
    sections = np.ascontiguousarray(truth[::FACTOR])
    evidence = gather_evidence(Stack(sections, FACTOR), learned)
    fused = FusedInterpolator(Stack(sections, FACTOR), evidence.shares, learned)
    best_plain = min(errors(Interpolator(sections, name).section, truth) for name in PLAIN)
    assert 10 * np.log10(errors(fused.section, truth) / best_plain) < 0.05


def asked(sections, unknown, *, variance=1.0):
    """Shares where flow's squared error is ``unknown``, that of others as large as rows make it or larger."""
    stacks = [Stack(sections, FACTOR)]
    far = row_products(stacks, 2)
    hidden = np.diag([unknown] * len(PLAIN))
    if far is not None:
        still = [PLAIN.index(name) for name in STILL]
        hidden[np.ix_(still, still)] = far
    flow = np.eye(len(PLAIN))[PLAIN.index("flow")]
    return told_by_rows(stacks, PLAIN, flow, hidden, variance)[PLAIN.index("flow")] == 0


def test_rows_are_asked_where_little_is_known_and_they_know_much_more():
    sections = np.ascontiguousarray(shells()[::FACTOR])
    variance = float(sections.var())
    assert asked(sections, 0.7 * variance, variance=variance)
    assert not asked(sections, 0.4 * variance, variance=variance)
    rough = np.ascontiguousarray(texture(1)[::FACTOR])
    variance = float(rough.var())
    assert not asked(rough, 0.7 * variance, variance=variance)
    assert asked(rough, 1.1 * variance, variance=variance)


def test_rows_are_not_asked_where_sections_are_unlike_them_or_there_are_too_few():
    truth = shells()
    sections = np.ascontiguousarray(truth[::FACTOR])
    stacks, flow = [Stack(sections, FACTOR)], np.eye(len(PLAIN))[0]
    hidden = np.eye(len(PLAIN)) * 10 * row_products(stacks, 2).max()
    assert np.array_equal(told_by_rows(stacks, PLAIN, flow, hidden, 0.1), flow)
    assert row_products([Stack(sections[:, :36, :36], FACTOR)], 2) is None
    assert not asked(np.ascontiguousarray(sections[:, :36, :36]), 1.0)
