"""What draws sections of a stack is resampled alike, whatever it is."""

import numpy as np
import pytest

from napari_emgauss.resampling.interpolated import InterpolatedStack
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.resampling.protocol import Renderable


@pytest.mark.parametrize("name", ["ramp", "placed", "plain"])
def test_it_offers_all_that_planes_ask_for(name, request, stack):
    source = InterpolatedStack(stack, "linear") if name == "plain" else request.getfixturevalue(name)
    for member in (m for m in vars(Renderable) if not m.startswith("_")):
        assert hasattr(source, member), member
    low, high = source.display_range
    assert low < high
    volume = Planes(source).volume()
    assert volume.metadata["napari-emgauss"] == source.record
    assert (volume.shape, volume.voxel_size_nm, volume.dtype) == ((25, 48, 40), (8, 8, 8), source.dtype)
    assert volume.origin_nm == source.origin_nm
    for k in (0, 7, 24):
        assert np.asarray(volume.data[k], float) == pytest.approx(source.render(k / 6), abs=0.51)


def test_only_what_is_asked_for_is_drawn(ramp):
    planes = Planes(ramp)
    planes[13, 5:9, 3]
    planes[2:4, :, 10:30]
    assert ramp.drawn == [(13 / 6, (5, 9, 3, 4)), (2 / 6, (0, 48, 10, 30)), (3 / 6, (0, 48, 10, 30))]


@pytest.mark.parametrize("key", [(slice(None), 7), (slice(3, 20, 4), slice(9, 5, -1)), (..., slice(11, 13)), (..., 39)])
def test_lines_across_sections_need_no_sections_where_they_are_offered(make_ramp, key):
    region = (1, 45, 0, 40)
    whole, quick = Planes(make_ramp(), region=region), Planes(make_ramp(has_lines=True), region=region)
    assert np.array_equal(quick[key], whole[key])
    assert quick.source.drawn == []
    assert whole.source.drawn


def test_lines_of_another_grid_are_cut_from_its_sections(make_ramp):
    planes = Planes(make_ramp(has_lines=True), (8, 6, 6))
    assert planes[:, 4] == pytest.approx(Planes(make_ramp(), (8, 6, 6))[:, 4])
    assert planes.source.drawn
