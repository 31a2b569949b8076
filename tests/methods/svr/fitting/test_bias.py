from __future__ import annotations

import numpy as np

from napari_emgauss.methods.svr.fitting.bias import bias_change, bias_size, without_common

TRUE = np.zeros((3, 9))
TRUE[:, :4] = [[0.01, 0.004, 0.0, 0.0004], [-0.005, 0.008, 0.002, -0.0002], [-0.005, -0.012, -0.002, -0.0002]]


def test_fields_are_found_whatever_stacks_were_multiplied_by(fitted):
    uneven = fitted.measured.evened(-TRUE)
    weight = uneven.inside * uneven.layout.spread(np.where(fitted.damaged, 0.0, 1.0))
    gain, found = np.ones(len(uneven)), np.zeros_like(TRUE)
    for _ in range(3):
        found = without_common(uneven, found + bias_change(uneven.evened(found), fitted.drawn, gain, weight))
    assert bias_size(uneven, found - TRUE) < 0.15 * bias_size(uneven, TRUE)


def test_what_all_stacks_have_in_common_is_no_field(fitted):
    assert not without_common(fitted.measured, np.tile(TRUE[:1], (3, 1))).any()


def test_slices_times_a_field_are_evened_by_it(fitted):
    uneven = fitted.measured.evened(-TRUE)
    ratio = uneven.values[uneven.inside > 0] / fitted.measured.values[uneven.inside > 0]
    np.testing.assert_allclose(ratio, uneven.field(TRUE)[uneven.inside > 0], rtol=1e-4)
    np.testing.assert_allclose(uneven.evened(TRUE).values, fitted.measured.values, rtol=1e-4)
