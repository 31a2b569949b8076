import itertools
import threading
import time

from napari_emgauss._napari.workers.gui_call import GuiCall

WAIT_MS = 60_000


def from_elsewhere(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_the_call_is_made_in_the_gui_thread(qtbot):
    threads = []
    call = GuiCall(lambda: threads.append(threading.current_thread()))
    from_elsewhere(call.request)
    assert threads == []
    qtbot.waitUntil(lambda: bool(threads), timeout=WAIT_MS)
    assert threads == [threading.main_thread()]


def test_many_requests_before_the_call_are_one(qtbot):
    calls = []
    call = GuiCall(lambda: calls.append(1))
    from_elsewhere(lambda: [call.request() for _ in range(100)])
    qtbot.waitUntil(lambda: bool(calls), timeout=WAIT_MS)
    from_elsewhere(call.request)
    qtbot.waitUntil(lambda: len(calls) > 1, timeout=WAIT_MS)
    assert len(calls) == 2


def test_calls_keep_their_distance(qtbot):
    called_at_s = []
    call = GuiCall(lambda: called_at_s.append(time.monotonic()), every_ms=100)
    for n in (1, 2, 3):
        from_elsewhere(call.request)
        qtbot.waitUntil(lambda n=n: len(called_at_s) == n, timeout=WAIT_MS)
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(called_at_s))


def test_after_its_end_nothing_is_called(qtbot):
    calls, marker = [], []
    call, last = GuiCall(lambda: calls.append(1)), GuiCall(lambda: marker.append(1))
    from_elsewhere(call.request)
    call.close()
    from_elsewhere(call.request)
    from_elsewhere(last.request)
    qtbot.waitUntil(lambda: bool(marker), timeout=WAIT_MS)
    assert calls == []
