import pytest

from napari_emgauss.training import Control, Finished, FinishReason, Progress, Watch


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless it is moved."""
    now = [100.0]
    monkeypatch.setattr("napari_emgauss.training.watch.time.monotonic", lambda: now[0])
    return now


def test_iterations_before_the_blocks_count_with_theirs(clock):
    events = []
    watch = Watch(Control(), events.append, n_iterations=50)
    for step in range(1, 5):
        clock[0] += 2
        watch.tell_iterations("study", step, 4)
    assert [(e.iteration, e.n_iterations) for e in events] == [(k, 54) for k in (2, 3, 4)]
    assert events[0].seconds_left == pytest.approx(4)  # two more at two seconds each
    assert watch.last is events[-1]


def test_other_things_leave_the_iterations_as_they_are(clock):
    events = []
    watch = Watch(Control(), events.append, n_iterations=50)
    watch.pass_on(Progress.outside_blocks("joint", 7, 50, seconds=3.0, seconds_left=9.0))
    for done in (1, 2, 3):
        clock[0] += 1
        watch.tell("uncertainty", done, 5)
    assert [(e.stage, e.iteration, e.of_stage) for e in events[1:]] == [("uncertainty", 7, True)] * 2
    assert events[-1].seconds_left == pytest.approx(2)
    end = Finished(reason=FinishReason.COMPLETED, iteration=50, seconds=1.0)
    watch.pass_on(end)
    assert events[-1] is end
    assert watch.last.iteration == 7


def test_nothing_is_said_of_the_time_left_before_something_was_measured(clock):
    events = []
    watch = Watch(Control(), events.append)
    watch.tell("images", 6, 20)  # a stage whose beginning was not told
    assert not events
    clock[0] += 3
    watch.tell("images", 11, 20)
    assert events[-1].seconds_left > 1


def test_progress_is_told_only_now_and_then(clock):
    events = []
    watch = Watch(Control(), events.append)
    for done in range(1, 100):
        clock[0] += 0.01
        watch.tell("sections", done, 100)
    assert 8 <= len(events) <= 11


def test_a_stop_is_seen(clock):
    control = Control()
    watch = Watch(control, lambda event: None)
    assert not watch.held()
    control.stop()
    assert watch.held()
    assert watch.stopped


def test_what_comes_next_continues_from_all_the_time_that_has_passed(clock):
    watch = Watch(Control(), lambda event: None, 100)
    clock[0] += 5.0
    assert (watch.so_far().iteration, watch.so_far().n_iterations, watch.so_far().seconds) == (0, 100, 5.0)
    watch.tell_iterations("teacher", 20, 50)
    clock[0] += 4.0
    assert (watch.so_far().iteration, watch.so_far().n_iterations, watch.so_far().seconds) == (20, 150, 9.0)
