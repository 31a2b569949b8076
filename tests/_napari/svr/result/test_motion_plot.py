import numpy as np

from napari_emgauss._napari.svr.result.motion_plot import MotionPlot, told_apart


def test_stacks_go_by_what_tells_their_names_apart():
    assert told_apart(["sub-01_run-1_T2w", "sub-01_run-6_T2w"]) == ["run-1", "run-6"]
    assert told_apart(["axial", "coronal"]) == ["axial", "coronal"]
    assert told_apart(["a_b", "a"]) == ["a_b", "a"]
    assert told_apart(["a_b"]) == ["a_b"]


def test_a_click_on_the_plot_tells_the_slice(qtbot):
    plot = MotionPlot()
    qtbot.addWidget(plot)
    plot.show_motion([np.zeros((9, 3)), np.ones((9, 3))], [0, 4, 9], ["a", "b"])
    plot.show()
    qtbot.waitExposed(plot)
    pane = plot._plots[1]

    class Click:
        def scenePos(self):
            return pane.getViewBox().mapViewToScene(pane.getViewBox().viewRect().center().__class__(5.2, 0.5))

    with qtbot.waitSignal(plot.clicked) as told:
        pane.scene().sigMouseClicked.emit(Click())
    assert told.args == [5]
