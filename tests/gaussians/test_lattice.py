from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_emgauss.errors import OutOfMemoryError
from napari_emgauss.gaussians import GaussianTerms
from napari_emgauss.gaussians.algebra import evaluate
from napari_emgauss.gaussians.lattice import OVERLAP, SCALE, Lattice

POINTS = np.random.default_rng(0).uniform(-5, 5, (400, 3))


def test_every_point_has_a_node_within_half_a_cell_and_no_node_is_far_from_all_points():
    nodes = Lattice.around(POINTS, 1.5, margin=2.0).positions
    apart = np.linalg.norm(nodes[:, None] - POINTS, axis=2)
    assert apart.min(0).max() <= 1.5 * np.sqrt(3) / 2
    assert apart.min(1).max() <= 2.0 + 1.5 * np.sqrt(3) / 2


def test_a_lattice_is_known_again_by_its_nodes():
    lattice = Lattice.around(POINTS, 0.7, margin=1.0)
    again = Lattice.through(lattice.positions.astype(np.float32), 0.7)
    np.testing.assert_allclose(again.positions, lattice.positions)
    np.testing.assert_array_equal(again.pairs(), lattice.pairs())


def test_pairs_are_all_nodes_that_are_a_spacing_apart():
    lattice = Lattice.around(POINTS[:20], 2.0, margin=2.0)
    nodes = lattice.positions
    near = np.abs(np.linalg.norm(nodes[:, None] - nodes, axis=2) - 2.0) < 1e-9
    assert {tuple(sorted(pair)) for pair in lattice.pairs().tolist()} == {
        (int(i), int(j)) for i, j in np.argwhere(near) if i < j
    }


def test_equal_amplitudes_draw_a_flat_field():
    nodes = torch.from_numpy(Lattice.around(np.zeros((1, 3)), 1.0, margin=5.0).positions)
    terms = GaussianTerms(nodes, SCALE**2 * torch.eye(3).double().expand(len(nodes), 3, 3), torch.ones(len(nodes)))
    inside = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)).double() - 0.5
    values = evaluate(terms, inside)
    torch.testing.assert_close(values, torch.full_like(values, OVERLAP), rtol=6e-3, atol=0)


def test_the_affine_maps_the_corner_to_its_place():
    lattice = Lattice.around(POINTS, 1.5, margin=0.0)
    index = np.argwhere(lattice.occupied)[0]
    np.testing.assert_allclose(lattice.affine[:3, :3] @ index + lattice.affine[:3, 3], lattice.positions[0])


def test_a_lattice_too_fine_for_the_memory_is_refused_before_it_is_made():
    with pytest.raises(OutOfMemoryError, match="Choose smaller masks"):
        Lattice.around(POINTS, 1e-4, margin=1.0)
