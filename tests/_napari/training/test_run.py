import threading

import pytest

from napari_emgauss._napari.training.run import TrainingRun
from napari_emgauss.session import Session

WAIT_MS = 180_000


@pytest.fixture
def run(stack, qtbot):
    """A short training and what it told, by whom and in which thread."""
    told = []

    def tells(name):
        return lambda event: told.append((name, threading.current_thread(), event))

    session = Session(stack, preset="fast")
    run = TrainingRun(
        session,
        on_progress=tells("progress"),
        on_preview=tells("preview"),
        on_improved=lambda: tells("improved")(session.draft),
        on_finished=tells("finished"),
    )
    yield run, told
    run.close()


def test_events_come_in_the_gui_thread_and_the_end_comes_last_and_once(run, qtbot):
    run, told = run
    run.start()
    qtbot.waitUntil(lambda: any(name == "finished" for name, *_ in told), timeout=WAIT_MS)
    assert {thread for _, thread, _ in told} == {threading.main_thread()}
    assert [name for name, *_ in told].count("finished") == 1
    assert told[-1][0] == "finished"
    assert all(draft is run.session.draft for name, _, draft in told if name == "improved")
    records = [record for name, _, records in told if name == "progress" for record in records]
    assert [r.iteration for r in records] == sorted(r.iteration for r in records)
    assert run.session.result().n_gaussians > 0


def test_a_closed_run_tells_nothing(run, qtbot):
    run, told = run
    run.start()
    run.close()
    qtbot.wait(200)
    assert told == []
    assert run.session.wait(WAIT_MS / 1000)
