"""A stack's voxel size is the caller's or the file's; where neither is complete, the error says what to pass."""

import math
from pathlib import Path

import pytest

from napari_emgauss.errors import VoxelSizeError
from napari_emgauss.io.voxel_size import resolve_voxel_size


def test_the_error_says_what_was_found_and_what_to_pass():
    with pytest.raises(VoxelSizeError) as caught:
        resolve_voxel_size((None, 4.0, 4.0), None, path=Path("a.tif"))
    message = str(caught.value)
    for words in ("a.tif", "y = 4 nm, x = 4 nm", "z missing", "--voxel-size-nm 40 4 4", "voxel_size_nm=(40, 4, 4)"):
        assert words in message


@pytest.mark.parametrize("given_nm", [(0, 4, 4), (40, 4), (40, math.nan, 4), "abc", 4, (-1, 1, 1)])
def test_an_impossible_voxel_size_from_the_caller_is_an_error(given_nm):
    with pytest.raises(VoxelSizeError, match="--voxel-size-nm"):
        resolve_voxel_size((40, 4, 4), given_nm, path=Path("a.tif"))
