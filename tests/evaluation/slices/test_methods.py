import numpy as np
import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.evaluation.slices.methods import (
    SLICE_METHODS,
    GaussiansFromSlices,
    SliceVolume,
    resolve_slice_methods,
)
from napari_emgauss.metrics import correlation
from napari_emgauss.registration import align_volume
from napari_emgauss.slices import SliceProfile, WorldVolume
from napari_emgauss.voxels.rounds import grid_of


@pytest.mark.parametrize("name", ["mean", "scattered", "cg", "cg+stacks", "classical:1"])
def test_every_method_makes_a_volume_of_stacks(acquired, name):
    grid = grid_of(acquired.stacks, 2.0)
    ((named, method),) = resolve_slice_methods(name)
    made = method(acquired.stacks, grid, None)
    assert named == name
    assert made.volume.values.shape == grid.shape
    assert np.isfinite(made.volume.values).all()
    assert name.partition(":")[0] in SLICE_METHODS


def test_with_known_motion_rounds_are_super_resolution(acquired):
    grid = grid_of(acquired.stacks, 2.0)
    (_, rounds), (_, cg) = resolve_slice_methods(["classical", "cg"])
    volumes = [method(acquired.stacks, grid, acquired.motion).volume.values for method in (rounds, cg)]
    assert np.allclose(*volumes)


def test_a_method_of_one_s_own_goes_by_its_name(acquired):
    def zero(stacks, grid, motion):
        return SliceVolume(WorldVolume(np.zeros(grid.shape, np.float32), grid.affine))

    assert resolve_slice_methods(["cg:0.1", ("zero", zero)])[1] == ("zero", zero)


@pytest.mark.parametrize("names", [["cubic"], ["cg", "cg"], [], ["cg:much"], ["cg:-1"], ["mean:2"]])
def test_what_is_no_method_is_refused(names):
    with pytest.raises(ConfigError):
        resolve_slice_methods(names)


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True])
def test_gaussians_are_one_of_the_methods_with_any_of_their_settings(acquired, known):
    grid = grid_of(acquired.stacks, 2.0)
    method = GaussiansFromSlices(SliceProfile(through_scale=1.1), {"solve_steps": 10, "hide_every": 0})
    made = method(acquired.stacks, grid, acquired.motion if known else None)
    truth, mask = acquired.truth, acquired.mask
    # Where the head lay as a whole, motion that nobody knows does not tell.
    moved = truth.grid if known else truth.grid.moved(align_volume(made.volume, truth, mask))
    assert made.volume.grid.shape == grid.shape
    assert correlation(made.volume.resampled(moved, order=3).values[mask], truth.values[mask]) > 0.8
    assert [len(part) for part in made.weights] == [stack.n_slices for stack in acquired.stacks]
    if known:
        used = acquired.stacks[1].used
        assert np.allclose(made.motion[1][used], acquired.motion[1][used], atol=1e-6)
