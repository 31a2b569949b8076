from __future__ import annotations

import numpy as np

from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.fitting.evidence import MotionEvidence, judge_motion


def test_true_motion_helps_and_a_made_up_one_does_not(fitted):
    weights = np.where(fitted.damaged, 0.0, 1.0)
    how = {"spacing_mm": 2.0, "smoothness": 0.003}
    true = judge_motion(fitted.measured, fitted.motion, weights, SvrConfig(hide_every=5), **how)
    assert true.helps
    assert true.n_hidden >= 4
    made_up = np.random.default_rng(0).permutation(fitted.motion) * 3
    false = judge_motion(fitted.measured, made_up, weights, SvrConfig(hide_every=5), **how)
    assert not false.helps


def test_slices_that_were_seen_are_never_said_to_be_worse_than_hidden_ones():
    assert MotionEvidence(n_hidden=5, still=0.2, moved=0.1, seen=0.12).optimism == 1
    assert MotionEvidence(n_hidden=5, still=4.0, moved=3.0, seen=2.0).optimism == 1.5
    assert MotionEvidence(n_hidden=5, still=2.5, moved=3.0, seen=2.0).optimism == 1.25
