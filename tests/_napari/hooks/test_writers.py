"""Saving layers with their voxel size, from napari's own menu."""

import numpy as np
import pytest
from napari.layers import Layer

import napari_emgauss as eg
from napari_emgauss._napari.hooks.readers import get_volume_reader
from napari_emgauss._napari.hooks.writers import write_volume
from napari_emgauss._napari.viewer.space import LayerInSpace, stack_to_layers
from napari_emgauss._napari.viewer.virtual import VirtualVolume
from napari_emgauss.io.stacks import read_world_volume
from napari_emgauss.resampling.planes import Planes

PLACE = {"scale": (0.008,) * 3, "translate": (0.5, 1.25, -0.75), "units": ("um",) * 3}


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".mrc"])
def test_a_saved_layer_keeps_place_and_record(viewer, stack, suffix, tmp_path):
    record = {"napari-emgauss": {"preset": "fast"}, "attribution": {"authors": "me"}, "mine": object()}
    layer = viewer.add_image(np.asarray(stack.data), metadata=record, **PLACE)
    path = tmp_path / f"a{suffix}"
    assert layer.save(str(path), plugin="napari-emgauss") == [str(path)]
    volume = eg.read(path)
    assert volume.voxel_size_nm == pytest.approx((8, 8, 8))
    assert volume.origin_nm == pytest.approx((500, 1250, -750))
    assert volume.metadata["napari-emgauss"] == {"preset": "fast"}
    assert volume.metadata["attribution"] == {"authors": "me"}
    (_, attributes, _), *_ = get_volume_reader(str(path))(str(path))
    assert attributes["name"] == "a"
    assert np.multiply(attributes["translate"], 1e-3) == pytest.approx(PLACE["translate"])


def test_a_volume_drawn_on_demand_is_saved_plane_by_plane(viewer, trained, tmp_path, monkeypatch):
    layer = viewer.add_image(VirtualVolume(trained), contrast_limits=(0, 255), **PLACE)
    asked = []
    box = Planes._box
    monkeypatch.setattr(Planes, "_box", lambda self, ranges: asked.append(len(ranges[0])) or box(self, ranges))
    path = tmp_path / "a.mrc"
    write_volume(str(path), *layer.as_layer_data_tuple()[:2])
    assert set(asked) == {1}
    assert np.array_equal(np.asarray(eg.read(path).data[:]), trained.resample().data)


def test_of_several_levels_the_finest_is_saved(viewer, stack, tmp_path):
    data = np.asarray(stack.data)
    layer = viewer.add_image([data, data[:, ::2, ::2]], multiscale=True, **PLACE)
    write_volume(str(tmp_path / "a.mrc"), *layer.as_layer_data_tuple()[:2])
    assert np.array_equal(np.asarray(eg.read(tmp_path / "a.mrc").data[:]), data)


def test_an_ome_tiff_without_voxel_size_and_other_files_are_left_to_napari(stack, tmp_path):
    import tifffile

    plain = tmp_path / "plain.ome.tif"
    tifffile.imwrite(plain, np.asarray(stack.data), metadata={"axes": "ZYX"})
    broken = tmp_path / "broken.ome.tif"
    broken.write_bytes(b"no picture")
    for path in (plain, broken, tmp_path / "absent.ome.tif", tmp_path / "stack.tif"):
        assert get_volume_reader(str(path)) is None


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_layer_saved_as_nifti_is_where_it_was(viewer, head, tmp_path, suffix):
    image, mask = (viewer.add_layer(Layer.create(*data)) for data in stack_to_layers(head[1], thickness_mm=3.0))
    for layer in (image, mask):
        path = tmp_path / f"{layer.name}{suffix}"
        assert layer.save(str(path), plugin="napari-emgauss") == [str(path)]
        written = read_world_volume(path)
        assert np.array_equal(written.values, np.asarray(layer.data, np.float32))
        assert np.allclose(written.affine, LayerInSpace.of(layer).affine, atol=1e-4)
