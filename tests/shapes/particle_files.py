"""Particles that tests write, and where real ones lie."""

import os
from pathlib import Path

import mrcfile
import numpy as np
import pytest

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = Path(os.environ.get("EMGAUSS_TEST_DATA", BESIDE)) / "gem"


def needs(folder):
    return pytest.mark.skipif(not folder.is_dir(), reason="real particles are absent")


def write_stack(path, n=3, box=16, seed=0):
    images = np.random.default_rng(seed).standard_normal((n, box, box)).astype(np.float32)
    with mrcfile.new(path, images) as file:
        file.set_image_stack()
    return images
