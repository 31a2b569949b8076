import pytest


def test_a_transposed_view_shows_the_same_part(viewer, explore, model):
    camera = explore.canvas.viewpoint.camera
    centre = camera.center
    explore.go_to(1.5)
    zoom = camera.zoom = 5 * camera.zoom
    camera.center = (centre[0], centre[1] + 0.1, centre[2] - 0.05)
    before = explore.canvas.viewpoint.visible(explore.scrub)
    viewer.dims.order = (0, 2, 1)
    camera.zoom, camera.center = zoom, (centre[0], centre[2] - 0.05, centre[1] + 0.1)
    after = explore.canvas.viewpoint.visible(explore.scrub)
    rows, columns = (viewer.canvas.size[k] for k in (0, 1))
    assert after.density == pytest.approx(before.density)
    for axis, extent in ((0, columns / rows), (2, rows / columns)):
        middles = [sum(view.region[axis : axis + 2]) / 2 for view in (before, after)]
        lengths = [view.region[axis + 1] - view.region[axis] for view in (before, after)]
        assert middles[1] == pytest.approx(middles[0], abs=1)
        assert lengths[1] == pytest.approx(lengths[0] * extent, abs=2)
