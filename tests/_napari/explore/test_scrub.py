import numpy as np
import pytest
from napari.layers import Image

import napari_emgauss as eg
from napari_emgauss._napari.explore.scrub import RESTING_PX, Drawing, Scrubber, Visible
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.models import OpenModel


def world_of(layer, index):
    return np.asarray(layer.data_to_world(index))


SPOT_PX = 30, 25


@pytest.fixture(scope="module")
def spot():
    """A model of one bright spot at the same pixel of all sections, placed in micrometres."""
    y, x = SPOT_PX
    blob = np.exp(-((np.arange(48)[:, None] - y) ** 2 + (np.arange(40) - x) ** 2) / 8)
    data = np.repeat((40 + 200 * blob)[None], 3, axis=0).astype(np.uint8)
    volume = eg.Volume(data, (48, 8, 8), (500, 1250, -750))
    model = eg.reconstruct(volume, preset="fast", spacing_px=2.0, adapt_spacing=False)
    return OpenModel("spot", model, LayerPlacement(("um",) * 3, (1000.0,) * 3))


@pytest.mark.parametrize(
    ("region", "zoom"),
    [
        ((0, 48, 0, 40), 1.0),
        ((4, 44, 3, 37), 1.0),
        ((0, 48, 0, 40), 0.5),
        ((3, 44, 2, 37), 0.7),
        ((20, 41, 11, 38), 0.9),
    ],
)
def test_a_point_is_at_the_same_world_coordinate_in_every_view(spot, region, zoom):
    drawing = Drawing(1.4, region, zoom)
    image = spot.reconstruction.render(1.4, region=region, zoom=zoom)
    layer = Image(image[None], **drawing.attributes(spot))
    weight, (rows, columns) = np.clip(image - 60, 0, None), np.indices(image.shape)
    found = world_of(layer, (0, (weight * rows).sum() / weight.sum(), (weight * columns).sum() / weight.sum()))
    expected = (0.5 + 1.4 * 0.048, 1.25 + SPOT_PX[0] * 0.008, -0.75 + SPOT_PX[1] * 0.008)
    assert found == pytest.approx(expected, abs=0.15 * 0.008)  # 0.15 px
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3


def test_a_zoomed_in_large_section_is_drawn_in_part_and_sharpened(trained):
    class Large:
        shape, voxel_size_nm, origin_nm = (5, 4096, 4096), (48, 8, 8), (0, 0, 0)
        z_range, observed = (0.0, 4.0), (0, 1, 2, 3, 4)

    scrub = Scrubber(OpenModel("large", Large()), 1.5)
    whole = scrub.visible((2048, 2048), (4096, 4096), 0.2)
    assert scrub.moving(whole) == Drawing(1.5, (0, 4096, 0, 4096), 0.2)
    assert scrub.resting(whole).zoom == pytest.approx(np.sqrt(RESTING_PX) / 4096)
    part = scrub.visible((1000, 1000), (400, 500), 2.0)
    assert scrub.moving(part) == Drawing(1.5, part.region, 1.0)
    assert part.region == (800, 1201, 750, 1251)
    assert scrub.resting(part).region == (699, 1302, 624, 1377)
    assert scrub.resting(part).zoom == 1
    assert scrub.visible((-900, 0), (400, 500), 2.0) is None


def test_slow_sections_are_drawn_coarser_while_they_move_and_sharp_at_rest(trained):
    scrub = Scrubber(OpenModel("a", trained), 0.5)
    view = Visible((0, 48, 0, 40), 1.0)
    for _ in range(20):
        scrub.took(scrub.moving(view), 0.2)
    assert scrub.moving(view).zoom == 0.5
    assert scrub.resting(view).zoom == 1
    for _ in range(20):
        scrub.took(scrub.moving(view), 0.001)
    assert scrub.moving(view).zoom == 1


def test_playing_turns_at_both_ends():
    class Rec:
        z_range = (0.0, 4.0)

    scrub = Scrubber(OpenModel("a", Rec()), 3.5)
    assert scrub.after(1, speed=1) == pytest.approx(3.5)
    assert scrub.direction == -1
    scrub.z = 0.25
    assert scrub.after(1, speed=1) == pytest.approx(0.75)
    assert scrub.direction == 1
