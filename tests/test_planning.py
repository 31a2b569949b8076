"""What a volume will take, tried on samples."""

import math

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError
from napari_emgauss.io import write
from napari_emgauss.io.ome_zarr.pyramid import plan_levels
from napari_emgauss.planning import Way, forecast
from napari_emgauss.resampling.interpolated import InterpolatedStack


@pytest.fixture(scope="module")
def found(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("here")
    found = forecast(stack, preset="fast", folder=folder)
    assert list(folder.iterdir()) == []
    return found


def test_a_forecast_counts_what_will_be_made(found, stack):
    planes = InterpolatedStack(stack, "learned").planes()
    assert found.shape == planes.shape
    levels = plan_levels(planes.shape, planes.voxel_size_nm, planes.origin_nm)
    assert found.n_bytes == sum(math.prod(level.shape) for level in levels)
    learned, gaussians = found.ways
    assert (learned.n_blocks, gaussians.n_blocks) == (1, 1)
    assert learned.seconds > 0
    assert gaussians.seconds > learned.seconds
    assert found.voxels_per_second(learned) * learned.seconds == pytest.approx(planes.size)
    assert gaussians.folder_bytes > gaussians.model_bytes > 1000
    assert 0 < found.packed_share < 3


def test_noise_packs_worse_than_nothing_at_all(found, stack):
    flat = forecast(eg.Volume(np.full(stack.shape, 7, np.uint8), stack.voxel_size_nm), preset="fast")
    assert flat.packed_share < found.packed_share


def test_only_samples_are_read_of_a_stack_without_end(tmp_path):
    class Endless:
        """A stack of a terabyte that counts what is read of it."""

        shape, dtype, n_read = (10_000, 10_000, 10_000), np.dtype("uint8"), 0

        def __getitem__(self, key):
            index, *rest = key if isinstance(key, tuple) else (key,)
            rows, columns = (range(n)[part] for n, part in zip(self.shape[1:], rest or [slice(None)] * 2, strict=True))
            self.n_read += len(rows) * len(columns)
            return np.add.outer(np.asarray(rows) + 40 * index, 3 * np.asarray(columns)).astype(np.uint8)

    data = Endless()
    found = forecast(eg.Volume(data, (8, 8, 8)), preset="fast", folder=tmp_path)
    assert math.prod(found.shape) == 10**12
    assert data.n_read < 1e9
    assert found.n_bytes > found.free_disk


def test_workers_share_whole_blocks():
    way = Way(name="a", n_blocks=10, seconds=50.0, worker_bytes=0)
    assert [way.seconds_by(n) for n in (1, 5, 4, 100)] == [50, 10, 15, 5]


def test_a_stop_ends_it_without_a_result(stack, tmp_path):
    assert forecast(stack, folder=tmp_path, stop=lambda: True) is None


def test_impossible_settings_are_told_as_the_training_would(stack, tmp_path):
    with pytest.raises(ConfigError, match="tile_px"):
        forecast(stack, folder=tmp_path, tile_px=1)


def test_a_stack_in_a_file_is_forecast_too(stack, tmp_path):
    volume = eg.read(write(stack, tmp_path / "stack.ome.zarr"))
    assert forecast(volume, preset="fast", folder=tmp_path).shape == (25, 48, 40)
