import subprocess
import sys
import threading

import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.session import Session, State
from napari_emgauss.training import FinishReason, Progress

WAIT_S = 120
TINY = {"newton_steps": 3, "spacing_px": 4.0, "adapt_spacing": False}


def recorded(session):
    finished, threads = [], set()
    session.signals.finished.connect(finished.append)
    session.signals.progress.connect(lambda event: threads.add(threading.current_thread().name))
    return finished, threads


def test_a_session_trains_in_its_own_thread_and_ends_once(stack):
    session = Session(stack, **TINY)
    finished, threads = recorded(session)
    assert session.status.state is State.IDLE
    session.start()
    assert session.wait(WAIT_S)
    assert session.status.state is State.FINISHED
    assert isinstance(session.status.progress, Progress)
    assert [event.reason for event in finished] == [FinishReason.COMPLETED]
    assert threads == {"emgauss-training"}
    assert session.result().render(0.5).shape == stack.shape[1:]


def test_pause_resume_and_stop(stack):
    session = Session(stack, preset="balanced", joint=3000)
    session.pause()
    session.start()
    assert session.status.state is State.PAUSED
    session.resume()
    assert session.status.state is State.RUNNING
    session.stop()
    assert session.wait(WAIT_S)
    assert session.status.state is State.STOPPED
    assert session.result().n_gaussians > 0


def test_a_failure_is_kept_and_raised_on_request(stack):
    session = Session(stack, hold_out=(0,), **TINY)
    finished, _ = recorded(session)
    session.start()
    session.wait(WAIT_S)
    assert session.status.state is State.FAILED
    assert "end of the stack" in session.status.message
    assert [event.reason for event in finished] == [FinishReason.FAILED]
    with pytest.raises(ConfigError, match="end of the stack"):
        session.result()


def test_a_discarded_session_has_no_result_and_runs_once(stack):
    session = Session(stack, **TINY)
    session.start()
    session.discard()
    with pytest.raises(RuntimeError, match="no result"):
        session.result()
    with pytest.raises(RuntimeError, match="runs once"):
        session.start()


def test_a_listener_may_ask_for_the_result_or_fail_without_losing_it(stack, caplog):
    session, seen = Session(stack, **TINY), []

    def listen(event):
        seen.append(session.result())
        raise ZeroDivisionError

    session.signals.finished.connect(listen)
    session.start()
    session.wait(WAIT_S)
    assert session.result() is seen[0]
    assert "listener" in caplog.text


def test_a_listener_may_discard(stack):
    session = Session(stack, joint=500)
    session.signals.progress.connect(lambda event: session.discard())
    session.start()
    assert session.wait(WAIT_S)
    assert session.status.state is State.STOPPED
    with pytest.raises(RuntimeError, match="discarded"):
        session.result()


def test_an_interpreter_that_exits_stops_the_training_first():
    code = (
        "from napari_emgauss.phantoms import phantom\n"
        "from napari_emgauss.session import Session\n"
        "Session(phantom((13, 32, 32)).every(6), joint=100000).start()\n"
        "import time; time.sleep(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def reaches_an_iteration(session):
    """Start a session and wait until it has trained, not only looked at the sections."""
    reached = threading.Event()
    session.signals.progress.connect(lambda event: reached.set() if event.iteration > 0 else None)
    session.start()
    return reached.wait(WAIT_S)


def test_half_done_trainings_of_any_stack_share_a_folder_until_forgotten(stack, tmp_path):
    first, again = (Session(stack, checkpoints_in=tmp_path, teacher="ema", joint=2000) for _ in range(2))
    for session in (first, again):
        assert reaches_an_iteration(session)
        session.stop()
        assert session.wait(WAIT_S)
    other = Session(stack, checkpoints_in=tmp_path, **TINY)
    other.start()
    assert other.wait(WAIT_S)
    assert (first.resumed, again.resumed, other.resumed) == (False, True, False)
    assert again.status.progress.iteration >= first.status.progress.iteration
    for session in (again, other):
        session.forget_checkpoint()
    assert not list(tmp_path.iterdir())


def test_a_draft_can_be_drawn_from_the_first_moment_and_gets_better(stack):
    session, drawn = Session(stack, use_teacher=False, **TINY), []
    session.signals.improved.connect(lambda event: drawn.append((event.block, session.draft.render(1.5))))
    session.start()
    assert session.wait(WAIT_S)
    blocks, images = zip(*drawn, strict=True)
    assert blocks[0] is None
    assert blocks[-1] == 0
    assert abs(images[0] - stack.section(1)).mean() < 60
    assert abs(images[-1] - session.result().render(1.5)).mean() < 1
