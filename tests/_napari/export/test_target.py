"""Names of the files that an export writes."""

from pathlib import Path

import pytest

from napari_emgauss._napari.export.target import format_of, suggested, with_suffix


@pytest.mark.parametrize(
    ("name", "suffix", "keep", "expected"),
    [
        ("a", ".mrc", False, "a.mrc"),
        ("a.v2", ".ome.tif", False, "a.v2.ome.tif"),
        ("a.ome.tiff", ".ome.zarr", False, "a.ome.zarr"),
        ("a.tif", ".ome.tif", True, "a.tif"),
        ("a.tif", ".ome.tif", False, "a.ome.tif"),
        ("a.mrc", ".ome.tif", True, "a.ome.tif"),
        (".mrc", ".ome.tif", False, "volume.ome.tif"),
    ],
)
def test_a_known_suffix_gives_way_to_another_format_s(name, suffix, keep, expected):
    assert with_suffix(Path("folder") / name, suffix, keep=keep) == Path("folder") / expected


def test_a_name_tells_its_format():
    assert [format_of(Path(name)) for name in ("a.tiff", "a.ZARR", "a.mrc", "a.png", "a")] == [
        "OME-TIFF",
        "OME-Zarr",
        "MRC",
        None,
        None,
    ]


def test_a_file_is_named_after_the_model_beside_its_stack(tmp_path):
    stack = tmp_path / "stack.tif"
    assert suggested("my stack (1) · fast", str(stack), "/nowhere") == tmp_path / "my-stack-1-isotropic"
    assert suggested("···", None, str(tmp_path)) == tmp_path / "reconstruction-isotropic"
    assert suggested("a", None, str(tmp_path / "absent")) == Path.home() / "a-isotropic"
