from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.fitting.evidence import HiddenSlices, MotionEvidence


@pytest.fixture
def hidden(fitted):
    return HiddenSlices(fitted.measured, np.where(fitted.damaged, 0.0, 1.0), SvrConfig(hide_every=5), 2.0, 0.003)


def test_true_motion_helps_and_a_made_up_one_does_not(fitted, hidden):
    none = np.zeros((3, 9))
    true = hidden.judge_motion(fitted.motion, none)
    assert true.helps
    assert true.n_hidden >= 4
    made_up = np.random.default_rng(0).permutation(fitted.motion) * 3
    assert not hidden.judge_motion(made_up, none).helps


def test_fields_of_brightness_help_where_they_are_true_and_not_where_there_are_none(fitted, hidden):
    bias = np.zeros((3, 9))
    bias[:, :2] = [[0.02, 0.0], [-0.01, 0.015], [0.0, -0.02]]  # per mm
    assert not hidden.judge_bias(fitted.motion, bias).helps
    uneven = replace(hidden, measured=fitted.measured.evened(-bias))
    assert uneven.judge_bias(fitted.motion, bias).helps


def test_slices_that_were_seen_are_never_said_to_be_worse_than_hidden_ones():
    assert MotionEvidence(n_hidden=5, still=0.2, moved=0.1, seen=0.12).optimism == 1
    assert MotionEvidence(n_hidden=5, still=4.0, moved=3.0, seen=2.0).optimism == 1.5
    assert MotionEvidence(n_hidden=5, still=2.5, moved=3.0, seen=2.0).optimism == 1.25
