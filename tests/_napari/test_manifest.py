from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_emgauss as eg
from napari_emgauss._napari.hooks.readers import get_model_reader, get_volume_reader
from napari_emgauss._napari.hooks.samples import anisotropic_phantom
from napari_emgauss._napari.hooks.writers import write_volume
from napari_emgauss.errors import VolumeError, VoxelSizeError


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("napari-emgauss")


def test_every_command_of_the_manifest_exists(manifest):
    manifest.validate_imports()
    assert {reader.command for reader in manifest.contributions.readers} == {
        "napari-emgauss.read_model",
        "napari-emgauss.read_nifti",
        "napari-emgauss.read_particles",
        "napari-emgauss.read_volume",
    }


def test_the_manifest_at_the_root_is_the_packages_own():
    root = Path(__file__).parents[2] / "napari.yaml"
    assert root.resolve() == (Path(eg.__file__).parent / "napari.yaml").resolve()


def test_the_sample_is_an_anisotropic_stack_in_nanometres():
    (data, attributes, kind), *_ = anisotropic_phantom()
    assert (data.shape, kind) == ((11, 128, 128), "image")
    assert attributes["scale"] == (48, 8, 8)
    assert attributes["units"] == ("nm", "nm", "nm")


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".mrc"])
def test_a_layer_survives_writing_and_reading(stack, suffix, tmp_path):
    path = tmp_path / f"layer{suffix}"
    attributes = {"scale": (0.048, 0.008, 0.008), "translate": (0, 0, 0), "units": ("um",) * 3}
    assert write_volume(str(path), np.asarray(stack.data), attributes) == [str(path)]
    again = eg.read(path)
    assert np.array_equal(np.asarray(again.data[:]), stack.data)
    assert again.voxel_size_nm == pytest.approx((48, 8, 8))
    if suffix != ".ome.tif":
        (data, layer, _), *_ = get_volume_reader(str(path))(str(path))
        assert layer["scale"] == pytest.approx((48, 8, 8))
        assert np.array_equal(np.asarray(data[2]), stack.data[2])


def test_a_model_opens_as_an_isotropic_layer(stack, tmp_path):
    result = eg.reconstruct(stack, preset="fast", newton_steps=1, adapt_spacing=False)
    path = str(result.save(tmp_path / "m.emgauss"))
    (data, attributes, _), *_ = get_model_reader(path)(path)
    assert data.shape == (25, 48, 40)
    assert attributes["scale"] == (8, 8, 8)
    assert np.array_equal(data[7], result.resample().data[7])


def test_readers_decline_what_is_not_theirs():
    assert get_model_reader("stack.tif") is None
    assert get_volume_reader("stack.tif") is None
    assert get_model_reader(["a.emgauss", "b.emgauss"]) is None


def test_layers_without_a_length_unit_or_with_colour_are_refused(tmp_path):
    data = np.zeros((3, 20, 20), np.uint8)
    with pytest.raises(VoxelSizeError, match="pixels"):
        write_volume(str(tmp_path / "a.tif"), data, {"scale": (1, 1, 1), "units": ("pixel",) * 3})
    with pytest.raises(VoxelSizeError, match="parsec"):
        write_volume(str(tmp_path / "a.tif"), data, {"scale": (1, 1, 1), "units": ("parsec",) * 3})
    with pytest.raises(VolumeError, match="2 axes"):
        write_volume(str(tmp_path / "a.tif"), data[0], {"scale": (1, 1), "units": ("nm",) * 2})
    with pytest.raises(VolumeError, match="a rotation"):
        write_volume(str(tmp_path / "a.tif"), data, {"rotate": np.eye(3)[[0, 2, 1]], "units": ("nm",) * 3})
    with pytest.raises(VolumeError, match="RGB"):
        write_volume(str(tmp_path / "a.tif"), data, {"rgb": True})
