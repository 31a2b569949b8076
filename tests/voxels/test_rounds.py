import numpy as np

from napari_emgauss.phantoms import Acquisition, brain_phantom, simulate_stacks
from napari_emgauss.registration import align_volume
from napari_emgauss.slices.motion import motion_error
from napari_emgauss.voxels import classical_svr
from napari_emgauss.voxels.rounds import grid_of, reconstruct_known, surroundings


def error(volume, acquired):
    matrix = align_volume(volume, acquired.truth, acquired.mask)
    points = acquired.truth.grid.positions()[acquired.mask] @ matrix[:3, :3].T + matrix[:3, 3]
    return float(np.sqrt(((volume.sample(points) - acquired.truth.values[acquired.mask]) ** 2).mean()))


def test_rounds_find_the_motion_and_sharpen_the_volume(acquired):
    volumes = []
    result = classical_svr(
        acquired.stacks, voxel_size_mm=1.0, rounds=4, smoothness=0.03, on_round=lambda done, v: volumes.append(v)
    )
    assert len(volumes) == 5
    assert error(result.volume, acquired) < 0.65 * error(volumes[0], acquired)
    pivots = np.concatenate([stack.pivots for stack in acquired.stacks])
    large = np.concatenate([stack.inside.sum((1, 2)) > 300 for stack in acquired.stacks]).astype(float)
    found, true = np.concatenate(result.motion), np.concatenate(acquired.motion)
    before, after = (motion_error(m, true, pivots, weights=large) for m in (np.zeros_like(true), found))
    assert after[0] < 0.7 * before[0]
    assert after[1] < 0.5 * before[1]
    assert min(float(one.min()) for one in result.weights) > 0.5


def test_damaged_slices_count_little_and_others_fully():
    truth, mask = brain_phantom((36, 40, 36))
    acquired = simulate_stacks(truth, mask, Acquisition(thickness_mm=3.0, corrupted=0.08), seed=2)
    result = classical_svr(acquired.stacks, rounds=2)
    for weights, damaged in zip(result.weights, acquired.corrupted, strict=True):
        assert (weights[damaged] < 0.3).all()
        assert (weights[~damaged] > 0.3).all()


def test_gains_are_undone(acquired):
    bright = [stack.scaled(1.0) for stack in acquired.stacks]
    gains = [np.where(np.arange(stack.n_slices) % 2, 1.3, 0.8) for stack in bright]
    uneven = [
        type(stack)(stack.images * g[:, None, None].astype(np.float32), stack.affine, stack.thickness_mm, stack.mask)
        for stack, g in zip(bright, gains, strict=True)
    ]
    grid = grid_of(bright, 1.5)
    even = reconstruct_known(bright, acquired.motion, grid, iterations=10, smoothness=0.1)
    again = reconstruct_known(uneven, acquired.motion, grid, iterations=10, smoothness=0.1, gains=gains)
    inside = even.values > 100
    assert np.abs(again.values - even.values)[inside].mean() < 0.02 * even.values[inside].mean()


def test_surroundings_reach_as_far_as_one_says(acquired):
    stack = acquired.stacks[0]
    wider = surroundings(stack, 3.0)
    assert (wider & stack.inside).sum() == stack.inside.sum()
    assert not wider[~stack.inside.any((1, 2))].any()
    s = stack.used[len(stack.used) // 2]
    rows = [np.flatnonzero(mask[s].any(1)) for mask in (stack.inside, wider)]
    assert rows[0][0] - rows[1][0] == 3
