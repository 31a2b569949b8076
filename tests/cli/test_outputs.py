"""What cannot be written is said before any work is done, and what was made is not lost."""

import errno
import os

import pytest
import torch

from napari_emgauss.cli.display import plain_console
from napari_emgauss.cli.outputs import (
    check_outputs,
    check_results_folder,
    check_writable,
    save_model,
    tell_of_checkpoints,
)
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.store import JobFolder


def test_an_existing_output_is_refused_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "a.mrc").touch()
    check_outputs([tmp_path / "b.mrc"], overwrite=False)
    check_outputs([tmp_path / "b.mrc", tmp_path / "a.mrc"], overwrite=True)
    with pytest.raises(FileExistsError, match="--overwrite"):
        check_outputs([tmp_path / "b.mrc", tmp_path / "a.mrc"], overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mrc"]


def test_an_input_is_never_an_output_by_whatever_name(tmp_path):
    (tmp_path / "a.tif").touch()
    (tmp_path / "link.tif").symlink_to(tmp_path / "a.tif")
    (tmp_path / "hard.tif").hardlink_to(tmp_path / "a.tif")
    for name in ("a.tif", "link.tif", "hard.tif"):
        with pytest.raises(FileExistsError, match="is the input"):
            check_outputs([tmp_path / name], inputs=[tmp_path / "a.tif"], overwrite=True)


def test_a_training_goes_on_only_from_a_folder_that_holds_one(tmp_path, capsys):
    tell_of_checkpoints(None, plain_console())
    tell_of_checkpoints(tmp_path / "new", plain_console())
    (tmp_path / "notes.txt").touch()
    tell_of_checkpoints(tmp_path, plain_console())
    assert capsys.readouterr().out == ""
    JobFolder(tmp_path, "a").save_state(0, {"x": torch.zeros(1)}, {})
    tell_of_checkpoints(tmp_path, plain_console())
    assert "Continuing from the checkpoints in" in capsys.readouterr().out
    with pytest.raises(NotADirectoryError, match=r"notes\.txt is a file; checkpoints are kept in a folder"):
        tell_of_checkpoints(tmp_path / "notes.txt", plain_console())


def test_two_outputs_need_two_names(tmp_path):
    with pytest.raises(FileExistsError, match="two outputs"):
        check_outputs([tmp_path / "a.tif", tmp_path / "." / "a.tif"], overwrite=True)


def test_a_missing_folder_and_a_folder_in_the_way_are_found(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist\. Create it"):
        check_outputs([tmp_path / "missing" / "a.tif"], overwrite=False)
    (tmp_path / "a.emgauss").mkdir()
    with pytest.raises(FileExistsError, match="is a folder"):
        check_outputs([tmp_path / "a.emgauss"], overwrite=True)


@pytest.mark.parametrize("name", ["n" * 300, "nul\0"])
def test_an_impossible_name_is_found(tmp_path, name):
    with pytest.raises((OSError, ValueError)):
        check_outputs([tmp_path / name], overwrite=False)


def test_a_read_only_folder_is_found(tmp_path, monkeypatch):
    def read_only(self, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr("pathlib.Path.touch", read_only)
    with pytest.raises(PermissionError, match=r"cannot be written to.*Choose another"):
        check_outputs([tmp_path / "a.tif"], overwrite=False)
    with pytest.raises(PermissionError, match="cannot be written to"):
        check_results_folder(tmp_path / "results")


class Model:
    """Saves into some folders only."""

    def __init__(self, *refusing):
        self.refusing = refusing

    def save(self, path):
        if path.parent in self.refusing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_bytes(b"model")
        return path


def test_a_model_that_finds_no_room_is_kept_elsewhere_and_where_is_told(tmp_path, capsys):
    folders = [tmp_path / name for name in ("full", "full too", "roomy")]
    for folder in folders:
        folder.mkdir()
    saved = save_model(Model(*folders[:2]), folders[0] / "m.emgauss", plain_console(), otherwise=folders[1:])
    assert saved.read_bytes() == b"model"
    told = capsys.readouterr().out
    assert "No space left" in told
    assert str(folders[2] / "m.emgauss") in told
    with pytest.raises(OSError, match="No space left"):
        save_model(Model(*folders), folders[0] / "m.emgauss", plain_console(), otherwise=folders[1:])


@pytest.mark.parametrize("name", ["a.ome.tif", "a.TIFF", "a.ome.zarr", "a.mrc"])
def test_volumes_have_a_suffix_that_can_be_written(tmp_path, name):
    check_writable(tmp_path / name)
    with pytest.raises(FileFormatError, match=r"\.zarr, \.mrc, got"):
        check_writable(tmp_path / f"{name}.txt")
