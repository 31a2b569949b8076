"""A folder with a stack, a model of it and an isotropic volume, made by the command line."""

import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main

QUICK = [
    "--preset",
    "fast",
    "--set",
    "newton_steps=2",
    "spacing_px=4",
    "adapt_spacing=false",
    "uncertainty=true",
]


@pytest.fixture(scope="session")
def quick():
    """Options of a training that takes a moment."""
    return QUICK


@pytest.fixture(scope="session")
def folder(stack, isotropic, tmp_path_factory):
    """``stack.tif``, ``stack.emgauss`` and ``iso.tif``."""
    folder = tmp_path_factory.mktemp("cli")
    eg.write(stack, folder / "stack.tif")
    eg.write(isotropic, folder / "iso.tif")
    assert main(["reconstruct", str(folder / "stack.tif"), *QUICK]) == 0
    return folder


@pytest.fixture(scope="session")
def shared_settings(folder, quick):
    """Arguments of a training of four blocks."""
    return ["reconstruct", str(folder / "stack.tif"), *quick, "tile_px=32", "tile_overlap_px=8"]


@pytest.fixture(scope="session")
def undisturbed(shared_settings, tmp_path_factory):
    """Folder with ``model.emgauss`` of it, made by one process, and its ``job``."""
    folder = tmp_path_factory.mktemp("undisturbed")
    outputs = ["-o", str(folder / "model.emgauss"), "--checkpoint", str(folder / "job")]
    assert main([*shared_settings, *outputs]) == 0
    return folder
