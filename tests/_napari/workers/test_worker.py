import gc
import threading
import time
import weakref

import pytest
from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.workers.worker import Worker

WAIT_MS, WAIT_S = 60_000, 60


@pytest.fixture
def widget(qtbot):
    widget = QWidget()
    yield widget
    with qtbot.waitSignal(widget.destroyed, timeout=WAIT_MS):
        widget.deleteLater()


@pytest.fixture
def worker(widget):
    return Worker(widget, name="emgauss-test")


class Held:
    """Work that has begun, and goes on until it is let go."""

    def __init__(self, result=None):
        self.begun, self.go_on, self.result = threading.Event(), threading.Event(), result

    def __call__(self):
        self.begun.set()
        assert self.go_on.wait(WAIT_S)
        return self.result


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "emgauss-test"]


def finished(qtbot, worker):
    qtbot.waitUntil(lambda: not worker.busy, timeout=WAIT_MS)


def test_results_come_back_in_the_gui_thread(qtbot, worker):
    seen = []
    worker.submit(lambda: threading.current_thread().name, done=lambda r: seen.append((r, threading.current_thread())))
    finished(qtbot, worker)
    assert seen == [("emgauss-test", threading.main_thread())]
    assert not worker.busy


def test_work_is_done_in_its_order(qtbot, worker):
    seen = []
    for i in range(10):
        worker.submit(lambda i=i: i, done=seen.append)
    finished(qtbot, worker)
    assert seen == list(range(10))


def test_the_newest_request_overtakes_those_that_wait(qtbot, worker):
    seen, held = [], Held(0)
    worker.submit_newest(held, done=seen.append)
    assert held.begun.wait(WAIT_S)
    for i in range(1, 6):
        worker.submit_newest(lambda i=i: i, done=seen.append)
    held.go_on.set()
    finished(qtbot, worker)
    assert seen == [0, 5]


def test_work_can_ask_whether_it_was_overtaken(qtbot, worker):
    asked, held = [], Held()
    worker.submit_newest(lambda: (asked.append(worker.overtaken), held(), asked.append(worker.overtaken)), done=print)
    assert held.begun.wait(WAIT_S)
    worker.submit(lambda: asked.append("more"), done=print)
    worker.submit_newest(lambda: asked.append(worker.overtaken), done=print)
    held.go_on.set()
    finished(qtbot, worker)
    assert asked == [False, True, False]


def test_work_that_only_waits_its_turn_overtakes_nothing(qtbot, worker):
    asked, held = [], Held()
    worker.submit(lambda: (held(), asked.append(worker.overtaken)), done=print)
    assert held.begun.wait(WAIT_S)
    worker.submit(lambda: None, done=print)
    held.go_on.set()
    finished(qtbot, worker)
    assert asked == [False]


def test_a_failure_is_told_and_the_thread_lives_on(qtbot, worker):
    failures, seen = [], []
    worker.submit(lambda: 1 / 0, done=seen.append, failed=failures.append)
    finished(qtbot, worker)
    assert isinstance(failures[0], ZeroDivisionError)
    worker.submit(lambda: 1, done=seen.append)
    finished(qtbot, worker)
    assert seen == [1]


def test_nothing_is_delivered_once_the_widget_is_gone(qtbot):
    widget = QWidget()
    worker, seen, begun = Worker(widget, name="emgauss-test"), [], threading.Event()

    def work():
        begun.set()
        while not worker.overtaken:
            time.sleep(0.001)

    worker.submit(work, done=seen.append)
    assert begun.wait(WAIT_S)
    with qtbot.waitSignal(widget.destroyed, timeout=WAIT_MS):
        widget.deleteLater()
    assert threads() == []
    worker.submit(work, done=seen.append)
    assert not worker.busy
    other, marker = Worker(None, name="emgauss-test"), []
    other.submit(lambda: None, done=marker.append)
    finished(qtbot, other)
    assert seen == []


def test_the_end_of_the_application_ends_it(qtbot, qapp, worker):
    begun = threading.Event()

    def work():
        begun.set()
        while not worker.overtaken:
            time.sleep(0.001)

    worker.submit(work, done=print)
    assert begun.wait(WAIT_S)
    qapp.aboutToQuit.emit()
    assert threads() == []


def test_what_is_forgotten_while_it_is_worked_on_is_not_delivered(qtbot, worker):
    seen, held = [], Held()
    worker.submit(held, done=seen.append)
    assert held.begun.wait(WAIT_S)
    worker.submit(lambda: "waiting", done=seen.append)
    worker.forget()
    held.go_on.set()
    finished(qtbot, worker)
    worker.submit(lambda: "new", done=seen.append)
    finished(qtbot, worker)
    assert seen == ["new"]


def test_a_result_may_make_those_after_it_unwanted(qtbot, worker):
    seen = []
    ended = threading.Event()
    worker.submit(lambda: 1, done=lambda r: (seen.append(r), worker.forget()))
    worker.submit(lambda: 2, done=seen.append)
    worker.submit(ended.set, done=seen.append)
    assert ended.wait(WAIT_S)
    finished(qtbot, worker)
    assert seen[0] == 1
    assert 2 not in seen


def test_a_result_that_cannot_be_shown_holds_up_no_other(qtbot, worker):
    seen = []

    def fail(result):
        raise ValueError(result)

    held = Held()
    worker.submit(held, done=seen.append)
    worker.submit(lambda: "bad", done=fail)
    worker.submit(lambda: "good", done=seen.append)
    with qtbot.captureExceptions() as raised:
        held.go_on.set()
        finished(qtbot, worker)
    assert [str(value) for _, value, _ in raised] == ["bad"]
    assert seen == [None, "good"]


def test_work_under_way_is_not_asked_for_again(qtbot, worker):
    done, held = [], Held("a")
    worker.submit(held, key="a", done=done.append)
    assert held.begun.wait(WAIT_S)
    worker.submit(lambda: "b", key="b", done=done.append)
    worker.drop_waiting()
    for key in "ccab":
        worker.submit(lambda key=key: key, key=key, done=done.append)
    held.go_on.set()
    finished(qtbot, worker)
    assert done == ["a", "c", "b"]
    worker.submit(lambda: "again", key="a", done=done.append)
    finished(qtbot, worker)
    assert done[-1] == "again"


def test_work_that_was_forgotten_while_it_went_on_can_be_asked_for_again(qtbot, worker):
    done, held = [], Held("old")
    worker.submit(held, key="a", done=done.append)
    assert held.begun.wait(WAIT_S)
    worker.forget()
    worker.submit(lambda: "new", key="a", done=done.append)
    held.go_on.set()
    finished(qtbot, worker)
    assert done == ["new"]


def test_several_threads_work_at_once(qtbot, widget):
    worker, together, seen = Worker(widget, name="emgauss-test", at_once=3), threading.Barrier(3), []
    for _ in range(6):
        worker.submit(lambda: together.wait(WAIT_S), done=seen.append)
    finished(qtbot, worker)
    assert sorted(seen) == [0, 0, 1, 1, 2, 2]
    assert len(threads()) <= 3


def test_without_a_parent_it_ends_when_its_work_is_done(qtbot):
    worker, held = Worker(None, name="emgauss-test"), Held()
    worker.submit(held, done=lambda result: None)
    assert held.begun.wait(WAIT_S)
    itself = weakref.ref(worker)
    del worker
    held.go_on.set()
    qtbot.waitUntil(lambda: threads() == [], timeout=WAIT_MS)
    qtbot.waitUntil(lambda: gc.collect() >= 0 and itself() is None, timeout=WAIT_MS)
