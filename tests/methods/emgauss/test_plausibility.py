"""What a model or a stack declares is weighed before anything is allocated or listed for it."""

import dataclasses

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.blocks import MOST_BLOCKS, Plan
from napari_emgauss.errors import ConfigError, ModelFileError, OutOfMemoryError
from napari_emgauss.methods.emgauss.setup import prepare

SMALL_MEMORY = 2**30


@pytest.fixture(scope="module")
def model(stack):
    return eg.reconstruct(stack, preset="fast", spacing_px=4.0, uncertainty=True, adapt_spacing=False)


@pytest.fixture
def small_memory(monkeypatch):
    """Leave a gigabyte free."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": SMALL_MEMORY}))


def test_a_section_that_would_not_fit_is_not_drawn(model, small_memory):
    with pytest.raises(OutOfMemoryError, match=r"38400 × 32000 pixels takes .*Draw a region"):
        model.render(1, zoom=800)
    with pytest.raises(OutOfMemoryError, match="Draw a region"):
        model.uncertainty(1, zoom=800)
    assert model.render(1, zoom=800, region=(0, 1, 0, 1)).shape == (800, 800)


def test_a_volume_that_would_not_fit_is_not_resampled(model, small_memory):
    with pytest.raises(OutOfMemoryError, match=r"voxels takes .*Export to a file"):
        model.resample((0.05, 0.05, 0.05))
    with pytest.raises(OutOfMemoryError):
        model.planes((0.01, 0.01, 0.01))[0]


def test_a_model_that_declares_more_than_it_holds_is_refused_before_its_blocks_are_listed(model, tmp_path):
    absurd = dataclasses.replace(model, shape=(2**20, 2**20, 2**20), observed=(0, 2**20 - 1))
    path = absurd.save(tmp_path / "absurd.emgauss")
    with pytest.raises(ModelFileError, match=r"absurd\.emgauss.*blocks"):
        eg.load(path)


@pytest.mark.parametrize("scaling", [{"low": 3.0, "high": 3.0}, {"low": 4.0, "high": 3.0}])
def test_a_model_without_a_range_of_intensities_is_refused(model, tmp_path, scaling):
    path, header = tmp_path / "flat.emgauss", model._header()
    broken = dataclasses.replace(model)
    object.__setattr__(broken, "_header", lambda: {**header, "scaling": scaling})
    broken.save(path)
    with pytest.raises(ModelFileError, match=r"flat\.emgauss is not usable|flat\.emgauss is not a usable"):
        eg.load(path)


class Absurd:
    """A stack of 2²⁰ voxels along each axis, of which nothing may be read."""

    shape, dtype, ndim = (2**20, 2**20, 2**20), np.dtype("uint8"), 3

    def __getitem__(self, key):
        pytest.fail("it was read")


def test_blocks_are_counted_before_they_are_listed():
    setup = prepare(eg.Volume(Absurd(), (48, 8, 8)), device="cpu")
    with pytest.raises(ConfigError, match="at most 1,000,000 can be planned"):
        _ = setup.plan
    most = Plan.of((2, 2**20, 2**12), bundle_sections=9, bundle_overlap=2, tile_px=512, tile_overlap_px=32)
    assert len(most.blocks) < MOST_BLOCKS
