from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from napari_emgauss.forward.grid import draw_grid
from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.gaussians.algebra import evaluate


def test_a_grid_shows_the_field_at_its_voxels_whatever_its_axes():
    rng = np.random.default_rng(0)
    mean = torch.from_numpy(rng.uniform(-4, 4, (30, 3))).float()
    own = SolidGaussians.round(mean, 1.3, torch.from_numpy(rng.standard_normal(30)).float())
    affine, shape = np.eye(4), (11, 9, 12)
    affine[:3, :3] = Rotation.from_rotvec([0.2, 0.5, -0.9]).as_matrix()[:, ::-1] * [0.9, 1.1, 0.8]
    affine[:3, 3] = -affine[:3, :3] @ [5, 4, 6]
    drawn = draw_grid(own.mean, own.covariance(), own.amplitude.detach().numpy(), affine, shape)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3)
    places = torch.from_numpy(index @ affine[:3, :3].T + affine[:3, 3]).float()
    expected = evaluate(own.terms(), places).detach().numpy().reshape(shape)
    # Each Gaussian ends where it falls below 1/255 of its peak.
    np.testing.assert_allclose(drawn, expected, atol=0.02)
    assert np.corrcoef(drawn.ravel(), expected.ravel())[0, 1] > 0.9999
