"""A training that other processes open from its folder."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, FileFormatError
from napari_emgauss.io.jobs.description import NAME
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.shared import check_shareable, open_draft, open_job
from napari_emgauss.training import BlockSpec, LocalEngine, run_block

TINY = {"preset": "fast", "newton_steps": 1, "spacing_px": 4.0, "tile_px": 32, "tile_overlap_px": 8}


@pytest.fixture(scope="module")
def begun(stack, tmp_path_factory):
    """A stack in a file, a job folder and the model that came of it."""
    folder = tmp_path_factory.mktemp("shared")
    eg.write(stack, folder / "stack.tif")
    model = reconstruct(eg.read(folder / "stack.tif"), checkpoint=folder / "job", **TINY)
    model.save(folder / "one.emgauss")
    return folder


def test_blocks_that_another_process_trains_are_the_same_to_the_last_bit(begun):
    folder = begun / "job"
    trained = sorted(folder.glob("block-*/done"))
    assert len(trained) == 4
    for done in trained[1:3]:
        done.unlink()
        run_block(BlockSpec(opener=EmgaussJob.opener, folder=str(folder), block=int(done.parent.name[-5:])))
    again = reconstruct(eg.read(begun / "stack.tif"), checkpoint=folder, make_engine=Elsewhere, **TINY)
    assert again.models.n_kept <= len(trained)
    again.save(begun / "two.emgauss")
    assert (begun / "one.emgauss").read_bytes() == (begun / "two.emgauss").read_bytes()


class Elsewhere(LocalEngine):
    """Another engine than the local one: models stay in the folder."""


def test_what_others_could_not_train_alike_is_refused_in_words(begun, stack, tmp_path):
    path, folder = begun / "stack.tif", tmp_path / "job"
    check_shareable(prepare(eg.read(path), **TINY))
    with pytest.raises(ConfigError, match="memory of one process"):
        check_shareable(prepare(stack, **TINY))
    with pytest.raises(FileFormatError, match="holds no training"):
        open_job(folder)
    shutil.copytree(begun / "job", folder)
    described = json.loads((folder / NAME).read_text())

    def changed(**change):
        (folder / NAME).write_text(json.dumps({**described, **change}))
        return folder

    with pytest.raises(ConfigError, match="not studied yet"):
        open_job(changed(spans=[]))
    with pytest.raises(ConfigError, match="memory of one process"):
        open_job(changed(source=None))
    with pytest.raises(FileFormatError, match=r"settings in job\.json"):
        open_job(changed(settings={}))
    with pytest.raises(FileFormatError, match="plan of blocks"):
        open_job(changed(spans=[[[0, 5]], [[0, 48]], [[0, 40]]]))
    path = tmp_path / "stack.tif"
    eg.write(eg.Volume(255 - np.asarray(stack.data), stack.voxel_size_nm), path)
    with pytest.raises(FileFormatError, match="not what it was"):
        open_job(changed(source={**described["source"], "path": str(path)}))


def test_a_draft_of_its_folder_draws_what_is_done_and_interpolates_the_rest(begun, tmp_path):
    folder = shutil.copytree(begun / "job", tmp_path / "job")
    model = eg.load(begun / "one.emgauss")
    whole = open_draft(folder)
    assert whole.trained_blocks == {0, 1, 2, 3}
    kept = open_job(folder)
    as_trained = replace(model, models=tuple(kept.job.trained_model(block, kept.store) for block in range(4)))
    assert np.abs(whole.render(1.5) - as_trained.render(1.5)).max() < 1e-3, "without the rounding of a model in a file"
    (folder / "block-00003" / "done").rename(tmp_path / "kept")
    part = open_draft(folder)
    assert part.trained_blocks == {0, 1, 2}
    corner = (0, 12, 0, 12)
    assert np.array_equal(part.render(1.5, region=corner), whole.render(1.5, region=corner))
    assert not np.array_equal(part.render(1.5), whole.render(1.5))
    (tmp_path / "kept").rename(folder / "block-00003" / "done")
    part.trained(3)
    assert np.array_equal(part.render(1.5), whole.render(1.5))
