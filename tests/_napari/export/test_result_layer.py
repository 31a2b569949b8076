"""Layers and files made by an export lie where the stack lies."""

import numpy as np
import pytest

from napari_emgauss._napari.hooks.readers import get_volume_reader


def place_of_spot(data, scale, translate, nm_per_unit=1.0):
    """Centre of mass of the brightest plane's blob, in nm."""
    data = np.asarray(data).astype(float)
    data = np.clip(data - data.min() - 0.3 * np.ptp(data), 0, None)
    centre = [
        float((data.sum(axis=tuple(a for a in range(3) if a != axis)) @ np.arange(n)) / data.sum())
        for axis, n in enumerate(data.shape)
    ]
    return (np.array(centre) * scale + translate) * nm_per_unit


def test_the_layer_overlays_the_stack_exactly_and_looks_like_it(viewer, export, spot_layer, spot_model, run):
    run(export)
    layer = viewer.layers[-1]
    assert layer.name == "stack · exported"
    assert np.array_equal(layer.data, spot_model.resample().data)
    assert [str(u) for u in layer.units] == [str(u) for u in spot_layer.units]
    assert tuple(layer.scale) == pytest.approx((0.008, 0.008, 0.008))
    for k in range(5):
        assert layer.data_to_world((6 * k, 7, 9)) == pytest.approx(spot_layer.data_to_world((k, 7, 9)))
    assert tuple(layer.contrast_limits) == tuple(spot_layer.contrast_limits)
    assert layer.colormap.name == "magma"
    record = layer.metadata["napari-emgauss"]
    assert record["preset"] == spot_model.record["preset"]
    assert record["export"].keys() >= {"voxel_size_nm", "region_px", "sections", "date", "program"}
    assert "Made layer 'stack · exported' in" in export.view.status.text()


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".mrc"])
def test_the_file_reopened_shows_the_spot_at_the_same_place(viewer, export, spot, spot_layer, suffix, tmp_path, run):
    export.view.part_form.first.setValue(1)
    run(export, path=tmp_path / f"a{suffix}")
    made = viewer.layers[-1]
    (data, attributes, _), *_ = get_volume_reader(str(tmp_path / f"a{suffix}"))(str(tmp_path / f"a{suffix}"))
    assert np.array_equal(np.asarray(data[:]), made.data)
    reopened = viewer.add_image(np.asarray(data[:]), **attributes)
    truth = place_of_spot(spot, spot_layer.scale, spot_layer.translate, 1000)
    assert truth == pytest.approx((500 + 3 * 48, 1250 + 20 * 8, -750 + 29 * 8), abs=0.5)
    # A voxel is 8 nm; what is predicted between sections shifts the centre by half of one.
    assert place_of_spot(made.data, made.scale, made.translate, 1000) == pytest.approx(truth, abs=6)
    assert place_of_spot(data[:], attributes["scale"], attributes["translate"]) == pytest.approx(truth, abs=6)
    # In the viewer, whose world is now in nm, both cover the same box.
    boxes = [viewer.layers.get_extent([layer]).world for layer in (made, reopened)]
    assert np.allclose(boxes[0] * 1000, boxes[1], atol=1e-2)
    assert attributes["metadata"]["napari-emgauss"]["export"] == made.metadata["napari-emgauss"]["export"]
