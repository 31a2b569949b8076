import threading

import numpy as np
import pytest

from napari_emgauss._napari.explore.drawing import draw

WAIT_MS = 60_000
WAIT_S = 60


def world_of(layer, index):
    return np.asarray(layer.data_to_world(index))


def test_random_depths_show_the_right_section_at_the_right_place(explore, viewer, model, stack_layer, qtbot):
    rec, rng = model.reconstruction, np.random.default_rng(0)
    qtbot.waitUntil(lambda: not explore.busy, timeout=WAIT_MS)
    for z in rng.uniform(0, 4, 30):
        explore.go_to(z)
        explore.canvas.steer(explore.scrub)
        explore.painter.draw_sharp()
        qtbot.waitUntil(lambda: not explore.busy, timeout=WAIT_MS)
        assert explore.layer.data[0] == pytest.approx(rec.render(z), abs=1e-3)
        depth = stack_layer.translate[0] + z * stack_layer.scale[0]
        assert world_of(explore.layer, (0, 5, 7)) == pytest.approx([depth, *world_of(stack_layer, (0, 5, 7))[1:]])
        assert viewer.dims.point[0] == pytest.approx(depth)
        assert np.array_equal(explore.layer._slice.image.raw, explore.layer.data[0])  # it is on the canvas, too


def test_scrubbing_and_resting_ends_at_the_sharp_section(explore, model, settle):
    for z in np.linspace(0, 3.3, 30):
        explore.go_to(z)
    settle(explore)
    assert explore.z == pytest.approx(3.3)
    assert explore.layer.data[0] == pytest.approx(model.reconstruction.render(3.3), abs=1e-3)


def test_the_last_of_many_positions_wins(explore, model, settle, monkeypatch):
    drawn = []

    def counted(reconstruction, drawing, **options):
        drawn.append(drawing.z)
        return draw(reconstruction, drawing, **options)

    monkeypatch.setattr("napari_emgauss._napari.explore.painter.draw", counted)
    for z in np.linspace(0, 4, 300):
        explore.go_to(z)
    settle(explore)
    assert drawn[-1] == pytest.approx(4)
    assert len(drawn) < 20


def test_a_section_deleted_while_it_is_drawn_does_not_come_back(explore, viewer, settle, monkeypatch):
    explore.go_to(1.5)
    settle(explore)
    begun, hold = threading.Event(), threading.Event()

    def slow(*arguments, **options):
        begun.set()
        hold.wait(WAIT_S)
        return draw(*arguments, **options)

    monkeypatch.setattr("napari_emgauss._napari.explore.painter.draw", slow)
    explore.go_to(2.5)
    assert begun.wait(WAIT_S)
    viewer.layers.remove(explore.layer)
    hold.set()
    settle(explore)
    assert explore.layer is None
    assert not any("Explore z" in layer.name for layer in viewer.layers)
