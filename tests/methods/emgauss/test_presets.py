"""Presets as they ship."""

import pytest

import napari_emgauss as eg
from napari_emgauss.phantoms import phantom


@pytest.mark.slow
def test_the_default_preset_as_shipped_beats_every_plain_interpolation():
    plain = ["linear", "linear+blur", "flow", "flow+blur"]
    scores = eg.evaluate(phantom((31, 80, 80), seed=0), 6, [*plain, "emgauss"], with_fsim=False, device="cpu")
    best = max((m for m in scores.methods if m.kind == "baseline"), key=lambda m: m.psnr_db)
    assert best.method == "flow+blur0.7"
    assert scores["emgauss"].psnr_db > best.psnr_db + 0.05  # by 0.18 dB where it was measured
    assert scores["emgauss"].ssim > best.ssim
