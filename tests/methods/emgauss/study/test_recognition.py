"""A half-done training goes on with the very same stack, whichever section or pixel may have changed."""

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import FileFormatError
from napari_emgauss.training import Control

QUICK = {"preset": "fast", "spacing_px": 4.0, "adapt_spacing": False, "device": "cpu"}


def changed(stack, index):
    data = np.array(stack.data)
    data[index, -1, -1] ^= 1
    return eg.Volume(data, stack.voxel_size_nm)


@pytest.mark.parametrize("index", [1, 3])
def test_a_section_that_changed_anywhere_is_named(stack, tmp_path, index):
    eg.reconstruct(stack, checkpoint=tmp_path, **QUICK)
    with pytest.raises(FileFormatError, match=rf"1 of 5 sections \({index}\) are not what they were"):
        eg.reconstruct(changed(stack, index), checkpoint=tmp_path, **QUICK)
    eg.reconstruct(stack, checkpoint=tmp_path, **QUICK)


def test_a_stack_is_known_from_the_first_moment(stack, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("napari_emgauss.methods.emgauss.train.study", interrupted)
        with pytest.raises(KeyboardInterrupt):
            eg.reconstruct(stack, checkpoint=tmp_path, **QUICK)
    with pytest.raises(FileFormatError, match="not what they were"):
        eg.reconstruct(changed(stack, 3), checkpoint=tmp_path, **QUICK)


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_stop_while_the_stack_is_read_leaves_nothing_wrong_behind(stack, tmp_path):
    control = Control()
    control.stop()
    eg.reconstruct(stack, checkpoint=tmp_path, control=control, **QUICK)
    assert eg.reconstruct(stack, checkpoint=tmp_path, **QUICK).record["blocks_trained"] == "1 of 1"
