"""Stacks drawn by interpolation."""

import numpy as np
import pytest

from napari_emgauss.errors import OutOfMemoryError, VolumeError
from napari_emgauss.resampling import interpolated as module
from napari_emgauss.resampling.interpolated import InterpolatedStack


@pytest.mark.parametrize("method", ["linear", "flow+blur0.7", "learned"])
def test_a_region_is_that_of_the_section_and_zoom_keeps_its_place(stack, method):
    drawn = InterpolatedStack(stack, method)
    whole = drawn.render(1.3)
    np.testing.assert_array_equal(drawn.render(1.3, region=(4, 20, 8, 40)), whole[4:20, 8:40])
    half = drawn.render(1.3, region=(4, 20, 8, 40), zoom=0.5)
    np.testing.assert_allclose(half, whole[4:20, 8:40].reshape(8, 2, 16, 2).mean((1, 3)), atol=1e-2)
    assert drawn.render(1.3, region=(4, 20, 8, 40), zoom=2).shape == (32, 64)


@pytest.mark.parametrize("method", ["linear", "learned"])
def test_planes_are_interpolated_when_they_are_read_and_cuts_agree_with_them(stack, method):
    drawn = InterpolatedStack(stack, method)
    planes, volume = drawn.planes(), drawn.resample()
    assert planes.shape == volume.shape == (25, 48, 40)
    np.testing.assert_array_equal(planes[7], volume.data[7])
    np.testing.assert_allclose(planes[:, 30].astype(float), volume.data[:, 30], atol=3)
    assert volume.metadata["napari-emgauss"] == {"interpolated": method, "observed": [0, 1, 2, 3, 4]}


def test_sections_left_out_are_interpolated_and_ends_cannot_be(stack):
    drawn = InterpolatedStack(stack, "linear", leave_out=(2,))
    np.testing.assert_allclose(drawn.render(2), (stack.as_float()[1] + stack.as_float()[3]) / 2, atol=1e-3)
    for wrong in ((0,), (4,), (9,)):
        with pytest.raises(VolumeError, match=r"within 1\.\.3"):
            InterpolatedStack(stack, "linear", leave_out=wrong)


def test_a_volume_that_does_not_fit_into_memory_is_refused_with_what_can_be_done(stack, monkeypatch):
    monkeypatch.setattr(module, "available_bytes", lambda: 1000)
    with pytest.raises(OutOfMemoryError, match="interpolate"):
        InterpolatedStack(stack, "linear").resample()
