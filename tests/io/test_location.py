"""Paths and URLs."""

from pathlib import Path

import pytest

from napari_emgauss.io.location import Url, place_of


@pytest.mark.parametrize("text", ["https://host/a b/c.zarr", "s3://bucket/key.n5", "gs://bucket/k", "file:///tmp/a.n5"])
def test_a_url_survives_as_text_and_as_a_path(text):
    for given in (text, Path(text), place_of(text)):
        assert place_of(given) == text
        assert isinstance(place_of(given), Url)
    assert place_of(text).name == text.rpartition("/")[2]


@pytest.mark.parametrize("text", ["/tmp/a.tif", "a.tif", "s3", "folder/https", "C:/data/a.tif"])
def test_anything_else_is_a_path(text):
    assert place_of(text) == Path(text)
