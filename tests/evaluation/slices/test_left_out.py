import json

import pytest

from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation.slices import leave_stack_out


def test_a_stack_is_predicted_from_the_others(acquired, tmp_path):
    named = []
    result = leave_stack_out(acquired.stacks, 1, ("scattered", "classical:2"), voxel_size_mm=1.5, progress=named.append)
    plain, rounds = result["scattered"], result["classical:2"]
    assert named == ["scattered", "classical:2"]
    assert rounds.slices_registered > plain.slices_registered
    assert rounds.slices_registered > rounds.as_they_lie
    assert rounds.slices_registered > 0.9
    assert "coronal left out" in str(result)
    result.to_json(tmp_path / "a.json")
    assert len(json.loads((tmp_path / "a.json").read_text())["methods"]) == 2


def test_only_one_of_several_stacks_can_be_left_out(acquired):
    for stacks, left_out in ((acquired.stacks, 3), (acquired.stacks[:1], 0)):
        with pytest.raises(VolumeError, match="left_out must be the index"):
            leave_stack_out(stacks, left_out)
