"""The trained network applied to the planes of a stack."""

import numpy as np
import pytest
import torch

from napari_emgauss.errors import ModelFileError, SectionRangeError, VolumeError
from napari_emgauss.interpolation.lateral import (
    LateralInterpolator,
    LateralNetwork,
)


def test_the_order_in_which_sections_are_asked_for_does_not_matter(sections, trained):
    walked = LateralInterpolator(trained, sections)
    for z in (0.5, 2.2, 5.9, 2.6):
        images = walked.straight_and_aligned(z)
    np.testing.assert_array_equal(images, LateralInterpolator(trained, sections).straight_and_aligned(2.6))


def test_swapping_y_and_x_swaps_the_planes(sections, trained):
    lower, phase = 2, 0.4
    stack = sections[lower - 1 : lower + 3]
    zx, zy = trained.planes(stack, phase)
    other_zx, other_zy = trained.planes(stack.transpose(0, 2, 1), phase)
    np.testing.assert_allclose(other_zx, zy.T, atol=1e-5)
    np.testing.assert_allclose(other_zy, zx.T, atol=1e-5)


def test_the_state_restores_the_network(sections, trained):
    state = trained.state()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    restored = LateralNetwork.from_state(state)
    assert restored.factor == trained.factor
    mine, theirs = (LateralInterpolator(n, sections).straight_and_aligned(1.3) for n in (restored, trained))
    np.testing.assert_array_equal(mine, theirs)


def test_a_state_with_a_tensor_missing_or_misshapen_is_refused(trained):
    state = trained.state()
    with pytest.raises(ModelFileError, match="cannot be restored"):
        LateralNetwork.from_state({k: v for k, v in state.items() if k != "factor"})
    with pytest.raises(ModelFileError, match="cannot be restored"):
        LateralNetwork.from_state({**state, "rows.entry.weight": torch.zeros(2, 2)})


def test_a_z_outside_and_a_single_section_are_refused(sections, trained):
    with pytest.raises(SectionRangeError, match=r"0\.\.6"):
        LateralInterpolator(trained, sections).straight_and_aligned(6.5)
    with pytest.raises(VolumeError, match="two sections"):
        LateralInterpolator(trained, sections[:1])
