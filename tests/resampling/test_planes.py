"""Planes on a grid: where they lie, what they cost, and that they behave like an array."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, SectionRangeError, VolumeError
from napari_emgauss.resampling.planes import Planes


@given(
    voxel=st.tuples(st.sampled_from([5.0, 8.0, 48.0, 50.0]), *[st.sampled_from([4.0, 6.0, 8.0, 11.0, 16.0])] * 2),
    corner=st.tuples(st.integers(8, 20), st.integers(8, 14)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 14)),
    z_range=st.sampled_from([(0.0, 4.0), (1.0, 3.0), (0.5, 3.25)]),
)
def test_every_voxel_has_the_intensity_of_its_place(make_ramp, voxel, corner, size, z_range):
    ramp = make_ramp()
    region = (corner[0], corner[0] + size[0], corner[1], corner[1] + size[1])
    planes = Planes(ramp, voxel, region=region, z_range=z_range)
    places = [
        (o + k * v - stack_o) / stack_v
        for o, k, v, stack_o, stack_v in zip(
            planes.origin_nm,
            (np.arange(n) for n in planes.shape),
            voxel,
            ramp.origin_nm,
            ramp.voxel_size_nm,
            strict=True,
        )
    ]
    for place, last in zip(places, (z_range[1], region[1] - 1, region[3] - 1), strict=True):
        assert place[-1] <= last + 1e-5
    expected = np.stack([ramp.at(z, *places[1:]) for z in places[0]])
    assert planes[:] == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), 7),
        (slice(None), slice(7, 8)),
        (..., 5),
        (slice(3, 20, 4), slice(40, 10, -3), slice(None)),
        (..., slice(-3, None), 5),
        (3, 4, 5),
        (slice(2, 2),),
        (-1, ...),
        ...,
        np.int64(3),
    ],
)
@pytest.mark.parametrize("has_lines", [False, True])
@pytest.mark.parametrize("voxel_size_nm", [None, (8, 6, 12)])
def test_every_box_equals_that_part_of_the_whole(make_ramp, key, has_lines, voxel_size_nm):
    planes = Planes(make_ramp("uint8", has_lines=has_lines), voxel_size_nm)
    whole = np.stack(list(planes))
    assert planes[key].shape == whole[key].shape
    assert planes[key].dtype == whole.dtype
    assert np.allclose(planes[key].astype(float), whole[key], rtol=0, atol=1)


def test_it_tells_its_size(make_ramp):
    planes = Planes(make_ramp("uint16"))
    assert (len(planes), planes.shape, planes.ndim) == (25, (25, 48, 40), 3)
    assert planes.size == 25 * 48 * 40
    assert planes.nbytes == 2 * planes.size
    assert [planes.section_coordinate(k) for k in (0, 3, 24)] == pytest.approx([0, 0.5, 4])


def test_a_first_look_has_full_shape_and_few_sections(ramp):
    planes = Planes(ramp, region=(8, 48, 0, 40), z_range=(1, 4))
    look, whole = planes.coarse(10), planes[:]
    assert look.shape == whole.shape
    assert np.abs(look - whole).max() < 30
    assert len(ramp.drawn) - len(planes) == 10


def test_the_whole_is_what_resampling_gives(placed):
    whole = Planes(placed)
    assert (whole.shape, whole.voxel_size_nm, whole.origin_nm) == ((25, 48, 40), (8, 8, 8), (500, 1250, -750))
    assert np.array_equal(whole[:], placed.resample().data)


def test_a_part_lies_where_its_first_pixel_does_and_equals_that_part_of_the_whole(placed):
    part = Planes(placed, region=(7, 30, 11, 35), z_range=(1, 3))
    assert part.shape == (13, 23, 24)
    assert part.origin_nm == (500 + 48, 1250 + 7 * 8, -750 + 11 * 8)
    whole = placed.resample().data.astype(int)
    assert np.abs(part[:] - whole[6:19, 7:30, 11:35]).max() <= 1  # the last digit depends on the box drawn
    assert np.array_equal(part[2:9:3], np.stack([part[k] for k in (2, 5, 8)]))
    assert np.abs(part[4, 2:5, 3].astype(int) - part[4][2:5, 3]).max() <= 1


@pytest.mark.parametrize("voxel", [(12.0, 16.0, 16.0), (48.0, 4.0, 20.0)])
def test_a_part_on_another_grid_equals_the_cropped_stack_on_it(placed, voxel):
    """The blur before coarser sampling sees beyond the part's edges."""
    region, z_range = (8, 40, 12, 37), (1, 3)
    part = Planes(placed, voxel, region=region, z_range=z_range, dtype="float32")
    assert part.shape == tuple(
        int(np.floor((n - 1) * o / v + 1e-6)) + 1 for n, o, v in zip((3, 32, 25), (48, 8, 8), voxel, strict=True)
    )
    widest = Planes(placed, voxel, region=(0, 48, 12, 37), z_range=z_range, dtype="float32")
    first = round(8 * 8 / voxel[1])
    assert part[1] == pytest.approx(widest[1][first : first + part.shape[1]], abs=0.3)


def test_a_ramp_keeps_its_values_at_its_places():
    y, x = np.meshgrid(np.arange(40.0), np.arange(40.0), indexing="ij")
    ramp = (2 * y + 3 * x).astype(np.float32)
    result = eg.reconstruct(eg.Volume(np.stack([ramp] * 3), (40, 8, 8)), use_teacher=False)
    part = Planes(result, (20, 16, 4), region=(10, 30, 6, 26))
    expected = 2 * (10 + 2 * np.arange(10))[:, None] + 3 * (6 + np.arange(39) / 2)
    assert abs((part[2] - expected)[1:-1, 2:-2].mean()) < 0.4  # half a voxel along y would be 2


def test_a_part_too_small_for_a_stack_is_refused_as_a_volume(ramp):
    with pytest.raises(VolumeError, match="at least 16"):
        Planes(ramp, region=(0, 9, 0, 9)).volume()
    with pytest.raises(VolumeError, match="at least 2 sections"):
        Planes(ramp, (1000, 8, 8)).volume()


def test_boxes_outside_the_stack_and_unknown_types_are_refused(ramp):
    with pytest.raises(ConfigError, match="region"):
        Planes(ramp, region=(0, 99, 0, 5))
    with pytest.raises(SectionRangeError, match=r"0\.\.4"):
        Planes(ramp, z_range=(0, 5))
    with pytest.raises(ConfigError, match="float64"):
        Planes(ramp, dtype="float64")


def test_an_export_is_recorded_beside_how_the_source_was_made(ramp):
    planes = Planes(ramp, region=(8, 40, 0, 40))
    assert planes.volume().metadata == {"napari-emgauss": {"made": "by hand"}}
    record = planes.volume(export={"program": "mine"}).metadata["napari-emgauss"]
    assert record["made"] == "by hand"
    assert record["export"] == {**planes.record(), "program": "mine"}
    assert record["export"]["region_px"] == [8, 40, 0, 40]


def test_the_time_of_a_plane_is_measured(ramp):
    assert Planes(ramp).seconds_per_plane() > 0
    assert len(ramp.drawn) == 4
