import os

import pytest

from napari_emgauss._napari.reconstruct.models.saved import SavedModels


@pytest.fixture
def saved(tmp_path):
    return SavedModels(tmp_path / "models")


def written(saved, name, at):
    path = saved.new_path()
    path.write_bytes(b"model")
    os.utime(path, (at, at))
    saved.name(path, name)
    return path


def test_models_are_listed_newest_first_by_their_names(saved):
    assert list(saved) == []
    old, new = written(saved, "old", 1000), written(saved, "new · balanced", 2000)
    assert old != new
    assert [(model.name, model.path, model.n_bytes) for model in saved] == [("new · balanced", new, 5), ("old", old, 5)]


def test_a_name_changes_no_file(saved):
    path = written(saved, "a", 1000)
    saved.name(path, "b")
    assert [(model.name, model.path) for model in saved] == [("b", path)]
    saved.name(path.parent.parent / "elsewhere.emgauss", "c")
    assert [model.name for model in saved] == ["b"]


def test_a_damaged_list_of_names_costs_the_names_only(saved):
    path = written(saved, "a", 1000)
    (saved.folder / "names.json").write_text("[1,")
    assert [model.name for model in saved] == [path.stem]


def test_nothing_is_deleted_but_what_is_removed(saved):
    path, other = written(saved, "a", 1000), written(saved, "b", 2000)
    saved.remove(path)
    assert not path.exists()
    assert [model.path for model in saved] == [other]
