"""The isotropic volume of a training, box by box."""

import shutil

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.blocks import observed_coordinate
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.methods.emgauss.shared import VolumeInBoxes, open_job
from napari_emgauss.training.engines.boxes import BoxesToDraw

TINY = {
    "preset": "fast", "newton_steps": 1, "spacing_px": 4.0, "tile_px": 32, "tile_overlap_px": 8,
    "bundle_sections": 3, "bundle_overlap": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def begun(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("volume")
    eg.write(stack, folder / "stack.tif")
    model = reconstruct(eg.read(folder / "stack.tif"), checkpoint=folder / "job", **TINY)
    return folder, model


def test_boxes_drawn_from_a_folder_are_the_volume_of_the_model_while_models_are_dropped(begun, tmp_path, monkeypatch):
    for name in ("CHUNK", "SHARD"):
        monkeypatch.setattr(f"napari_emgauss.methods.emgauss.shared.volume.{name}", (8, 16, 16))
    shutil.copytree(begun[0] / "job", tmp_path / "job")
    opened = open_job(tmp_path / "job")
    store, path = opened.store, tmp_path / "iso.ome.zarr"
    volume = VolumeInBoxes.begin(opened.job, store, path, found={}, overwrite=False)
    assert volume.n_boxes > 8
    boxes = BoxesToDraw(volume, range(opened.job.n_blocks))
    again = VolumeInBoxes.resume(opened.job, store)
    while boxes.ready:
        box = boxes.ready.popleft()
        (again if box % 2 else volume).draw(box)
        boxes.drawn(box)
        for block in boxes.unneeded():
            store.drop(block)
    assert not list((tmp_path / "job").glob("block-*/done"))
    assert all(store.is_done(block) for block in range(opened.job.n_blocks))
    assert volume.finish(map, overwrite=False) == path
    assert np.array_equal(eg.read(path).data, begun[1].resample().data)
    with pytest.raises(FileFormatError, match="models were dropped"):
        VolumeInBoxes.begin(opened.job, store, tmp_path / "other.ome.zarr", found={}, overwrite=False)
    with pytest.raises(FileFormatError, match="was dropped"):
        JobFolder(tmp_path / "job", store.fingerprint).load_done(0)


def test_a_box_needs_every_block_that_has_weight_in_it(begun, tmp_path, monkeypatch):
    for name in ("CHUNK", "SHARD"):
        monkeypatch.setattr(f"napari_emgauss.methods.emgauss.shared.volume.{name}", (8, 16, 16))
    opened = open_job(begun[0] / "job")
    volume = VolumeInBoxes.begin(opened.job, opened.store, tmp_path / "iso.ome.zarr", found={}, overwrite=False)
    setup, planes = opened.job.setup, begun[1].planes()
    for number, box in enumerate(volume.boxes):
        (z0, y0, x0), (z1, y1, x1) = box.start, box.stop
        zs = [observed_coordinate(setup.observed, planes.section_coordinate(k)) for k in range(z0, z1)]
        weighing = {block for block, _ in setup.plan.blocks_at(zs, (y0, y1, x0, x1))}
        assert weighing <= set(volume.needs(number))
