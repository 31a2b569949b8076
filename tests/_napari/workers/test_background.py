import threading
import time

import pytest
from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.workers.background import Background


@pytest.fixture
def widget(qtbot):
    return QWidget()


def destroy(qtbot, widget):
    with qtbot.waitSignal(widget.destroyed):
        widget.deleteLater()


def test_results_come_back_in_the_gui_thread(qtbot, widget):
    background, seen = Background(widget, name="emgauss-test"), []
    background.submit(
        lambda: threading.current_thread().name, done=lambda r: seen.append((r, threading.current_thread()))
    )
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == [("emgauss-test", threading.main_thread())]
    assert not background.busy
    destroy(qtbot, widget)


def test_the_newest_request_overtakes_those_that_wait(qtbot, widget):
    background, seen, hold = Background(widget, name="emgauss-test"), [], threading.Event()
    background.submit(lambda: hold.wait(5) and 0, done=seen.append)
    time.sleep(0.05)
    for i in range(1, 6):
        background.submit(lambda i=i: i, done=seen.append)
    hold.set()
    qtbot.waitUntil(lambda: not background.busy)
    assert seen == [0, 5]
    destroy(qtbot, widget)


def test_a_failure_is_told_and_the_thread_lives_on(qtbot, widget):
    background, failures, seen = Background(widget, name="emgauss-test"), [], []
    background.submit(lambda: 1 / 0, done=seen.append, failed=failures.append)
    qtbot.waitUntil(lambda: bool(failures))
    assert isinstance(failures[0], ZeroDivisionError)
    background.submit(lambda: 1, done=seen.append)
    qtbot.waitUntil(lambda: seen == [1])
    destroy(qtbot, widget)


def test_nothing_is_delivered_once_the_widget_is_gone(qtbot, widget):
    background, seen, begun = Background(widget, name="emgauss-test"), [], threading.Event()

    def work():
        begun.set()
        time.sleep(0.1)

    background.submit(work, done=seen.append)
    assert begun.wait(5)
    destroy(qtbot, widget)
    qtbot.wait(50)
    assert seen == []
    assert not any(t.name == "emgauss-test" for t in threading.enumerate())
    background.submit(work, done=seen.append)
    assert not background.busy


def test_what_is_forgotten_while_it_is_worked_on_is_not_delivered(qtbot, widget):
    background, seen, begun, hold = Background(widget, name="emgauss-test"), [], threading.Event(), threading.Event()
    background.submit(lambda: begun.set() or hold.wait(5), done=seen.append)
    begun.wait(5)
    background.forget()
    hold.set()
    qtbot.waitUntil(lambda: not background.busy)
    background.submit(lambda: "new", done=seen.append)
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == ["new"]
    destroy(qtbot, widget)
