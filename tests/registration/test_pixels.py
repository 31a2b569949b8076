import numpy as np

from napari_emgauss.registration import SlicePixels
from napari_emgauss.slices import SliceProfile
from napari_emgauss.slices.motion import apply


def test_pixels_are_those_in_the_mask_slice_by_slice(acquired):
    stack = acquired.stacks[0]
    pixels = SlicePixels(stack, SliceProfile())
    assert pixels.n_pixels == stack.inside.sum()
    assert (pixels.values == stack.images[stack.inside]).all()
    for s in stack.used:
        assert (pixels.values[pixels.of_slice(s)] == stack.images[s][stack.inside[s]]).all()


def test_places_are_where_moved_slices_are(acquired):
    stack, motion, grid = acquired.stacks[2], acquired.motion[2], acquired.truth.grid
    pixels = SlicePixels(stack, SliceProfile())
    places, nodes = pixels.places(motion, grid)
    header = stack.world(np.array([[s, 3, 5] for s in range(stack.n_slices)]))
    there = apply(motion, stack.pivots, header[:, None])[:, 0]
    assert np.allclose(places @ [3, 5, 1], grid.indices(there))
    offsets = stack.axes.T @ [2.0, 0, 0]
    turned = apply(motion, stack.pivots, header[:, None] + offsets)[:, 0] - there
    through = pixels.profile.nodes(stack.spacing_mm, stack.thickness_mm)[0] @ [1, 0, 0]
    rows = [int(np.argmax(through)), int(np.argmin(through))]
    along = (nodes[:, rows[0]] - nodes[:, rows[1]]) / np.ptp(through) * 2
    assert np.allclose(along, turned @ np.linalg.inv(grid.affine)[:3, :3].T, atol=1e-9)
