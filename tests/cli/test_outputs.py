"""What cannot be written is said before any work is done."""

import pytest

from napari_emgauss.cli.outputs import check_writable, refuse_existing
from napari_emgauss.errors import FileFormatError


def test_an_existing_output_is_refused_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "a.mrc").touch()
    refuse_existing([tmp_path / "b.mrc"], overwrite=False)
    refuse_existing([tmp_path / "b.mrc", tmp_path / "a.mrc"], overwrite=True)
    with pytest.raises(FileExistsError, match="--overwrite"):
        refuse_existing([tmp_path / "b.mrc", tmp_path / "a.mrc"], overwrite=False)


@pytest.mark.parametrize("name", ["a.ome.tif", "a.TIFF", "a.ome.zarr", "a.mrc"])
def test_volumes_have_a_suffix_that_can_be_written(tmp_path, name):
    check_writable(tmp_path / name)
    with pytest.raises(FileFormatError, match=r"\.zarr, \.mrc, got"):
        check_writable(tmp_path / f"{name}.txt")
