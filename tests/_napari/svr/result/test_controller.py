import numpy as np
import pytest
from napari.components import ViewerModel

from napari_emgauss._napari.svr.result.controller import ResultController
from napari_emgauss._napari.svr.result.view import ResultView
from napari_emgauss._napari.viewer.slice_results import result_to_layer
from napari_emgauss._napari.viewer.space import point_in_view

WAIT_MS = 60_000


@pytest.fixture
def viewer():
    """Without a window: nothing here needs one."""
    return ViewerModel()


@pytest.fixture
def shown(viewer, fitted, qtbot):
    """A controller whose result is on the screen, and the stacks that are at hand."""
    at_hand = []
    view = ResultView()
    qtbot.addWidget(view)
    controller = ResultController(view, viewer, lambda: at_hand)
    values, attributes, _ = result_to_layer(fitted.volume(), fitted, "volume")
    layer = viewer.add_image(values, **attributes)
    return controller, at_hand, layer


def wait(controller, qtbot):
    qtbot.waitUntil(lambda: not controller._slices.busy, timeout=WAIT_MS)


def test_slices_are_listed_with_the_worst_first(shown, fitted):
    controller, _, _ = shown
    table = controller.view.table
    weights = [float(table.table.item(row, 2).text()) for row in range(table.table.rowCount())]
    assert weights == sorted(weights)
    assert len(weights) == (fitted.weights > 0).sum()
    n_bad = sum(weight < 0.5 for weight in fitted.weights[fitted.weights > 0])
    assert table.verdict.text().startswith(f"{n_bad} of " if n_bad else "All ")


def test_a_slice_is_shown_beside_what_the_volume_says_where_it_was_measured(shown, fitted, head, qtbot):
    controller, _, _ = shown
    controller._measured[fitted] = head
    stack, index = 0, 4
    controller.view.table.choose(stack, index)
    wait(controller, qtbot)
    assert controller.view.pair.titles == ["Measured", "By the volume"]
    measured, drawn = controller.view.pair.images

    def agreement(image):
        return np.corrcoef(measured.ravel(), image.ravel())[0, 1]

    assert agreement(drawn) > 0.6
    assert all(agreement(drawn) > agreement(other) for other in (drawn[::-1], drawn[:, ::-1], drawn[::-1, ::-1]))
    assert np.allclose(point_in_view(controller._viewer), fitted.pivots[fitted.starts[stack] + index], atol=2)


def test_without_the_stack_it_is_said_what_to_open(shown, fitted, qtbot):
    controller, _, _ = shown
    controller.show_slice(1, 3)
    wait(controller, qtbot)
    assert "open and tick its stack" in controller.view.pair_note.text()


def test_of_a_model_that_was_opened_the_ticked_stacks_are_what_was_measured(shown, head, qtbot):
    class Read:
        n_slices = head[1].n_slices

        def read(self):
            return head[1]

    controller, at_hand, _ = shown
    at_hand.append(Read())
    controller.show_slice(1, 3)
    wait(controller, qtbot)
    assert "weight" in controller.view.pair_note.text()


def test_a_click_on_the_plot_shows_the_slice(shown, fitted, qtbot):
    controller, _, _ = shown
    stack, index, _ = fitted.by_weight()[-1]
    controller.view.motion.clicked.emit(fitted.starts[stack] + index)
    wait(controller, qtbot)
    assert f"Slice {index} of {fitted.stacks[stack].name}" in controller.view.pair_note.text()


def test_a_result_whose_layer_is_removed_is_gone(shown, viewer):
    controller, _, layer = shown
    assert controller.view.isVisibleTo(controller.view.parent())
    viewer.layers.remove(layer)
    assert controller.model is None
    assert not controller.view.isVisible()
