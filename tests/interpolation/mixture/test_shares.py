"""Shares of a mixture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_emgauss.interpolation.mixture.shares import best_shares, error_products


def mse(image, truth):
    return float(np.mean((image - truth) ** 2))


@given(arrays(np.float64, (3, 40), elements=st.floats(-2, 2)), arrays(np.float64, 40, elements=st.floats(-2, 2)))
def test_no_part_beats_the_fitted_mixture(candidates, truth):
    shares = best_shares(error_products(list(candidates), truth))
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1)
    mixture = sum(share * part for share, part in zip(shares, candidates, strict=True))
    assert mse(mixture, truth) <= min(mse(part, truth) for part in candidates) + 1e-6


@given(arrays(np.float64, (5, 8), elements=st.floats(-2, 2)))
def test_nothing_is_gained_by_moving_some_share_to_any_candidate(errors):
    gram = error_products(list(errors), np.zeros(8))
    shares = best_shares(gram)
    assert shares @ gram @ shares <= (gram @ shares).min() + 1e-6 * np.trace(gram)


def test_equal_candidates_share_evenly():
    one, other = np.random.default_rng(0).standard_normal((2, 500))
    shares = best_shares(error_products([one, one, other], 0.6 * one + 0.4 * other))
    assert shares == pytest.approx([0.3, 0.3, 0.4], abs=1e-3)


def test_shares_of_a_known_mixture_are_found():
    parts = np.random.default_rng(0).standard_normal((3, 500))
    shares = best_shares(error_products(list(parts), 0.7 * parts[0] + 0.3 * parts[2]))
    assert shares == pytest.approx([0.7, 0, 0.3], abs=1e-3)
