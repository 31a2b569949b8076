"""A folder with a stack, a model of it and an isotropic volume, made by the command line."""

import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main

QUICK = ["--preset", "fast", "--set", "joint=2", "bootstrap=1", "spacing_px=4", "uncertainty=true"]


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
