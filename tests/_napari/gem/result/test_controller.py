import csv

import numpy as np
import pytest

from napari_emgauss._napari.hooks.readers import get_model_reader
from napari_emgauss._napari.viewer.particles import map_model_of
from napari_emgauss.io.particles.density_map import read_map


@pytest.fixture
def result(widget, train):
    """The controller of a result."""
    train()
    return widget.controller.result


def test_everything_of_a_result_can_be_kept(result, widget, viewer, until, tmp_path, told):
    model = result.model
    result.export(tmp_path / "m.mrc")
    result.tabulate(tmp_path / "g.csv")
    result.save(tmp_path / "m.emgauss")
    result.show_gaussians()
    until(lambda: not widget.controller.busy)
    assert np.array_equal(read_map(tmp_path / "m.mrc").values, model.map().values)
    for half, name in zip(model.half_maps(), ("m_half1.mrc", "m_half2.mrc"), strict=True):
        assert np.array_equal(read_map(tmp_path / name).values, half.values)
        assert read_map(tmp_path / name).pixel_size_angstrom == pytest.approx(7.0)
    with (tmp_path / "g.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == model.n_gaussians
    points = viewer.layers[-1]
    assert len(points.data) == model.n_gaussians
    first = model.models[0].gaussians.mean[0].numpy()
    assert np.allclose(points.data[0], 7.0 * (first + 12), atol=1e-3)

    path = str(tmp_path / "m.emgauss")
    (data, attributes, kind), *_ = get_model_reader(path)(path)
    opened = viewer.add_image(data, **attributes)
    assert kind == "image"
    assert widget.view.result.results.item is opened
    assert np.array_equal(map_model_of(opened).map().values, model.map().values)
    until(lambda: not widget.controller.busy)


def test_a_sharpened_map_is_shown_and_a_plain_one_again(result, widget, until):
    plain = np.array(result.layer.data)
    widget.view.result.sharpen.setChecked(True)
    until(lambda: not widget.controller.busy)
    assert np.array_equal(result.layer.data, result.model.map(b_factor="auto").values)
    widget.view.result.sharpen.setChecked(False)
    until(lambda: not widget.controller.busy)
    assert np.array_equal(result.layer.data, plain)


def test_the_local_resolution_is_shown_in_place_within_the_molecule(result, widget, viewer, until):
    model = result.model
    widget.view.result.local_button.click()
    until(lambda: not widget.controller.busy)
    layer = viewer.layers[-1]
    assert "local resolution" in layer.name
    assert np.allclose(layer.scale, result.layer.scale)
    inside = model.resolution().mask > 0.5
    assert np.array_equal(layer.data[inside], model.local_resolution().values[inside])


def test_without_the_layer_there_is_no_result(result, widget, viewer, until):
    viewer.layers.remove(result.layer)
    until(lambda: not widget.controller.busy)
    assert not widget.view.result.isVisibleTo(widget)
    assert not widget.view.fsc.has_curves
