from napari_emgauss.training import Control


def test_a_pause_asked_for_after_a_stop_does_not_hold():
    control = Control()
    control.stop()
    control.pause()
    assert not control.paused
    control.wait_while_paused()
    assert control.held()


def test_a_second_stop_asks_for_the_end_at_once():
    control, hasty = Control(), Control()
    control.stop()
    assert not control.stopped_at_once
    control.stop()
    assert control.stopped_at_once
    hasty.stop(at_once=True)
    assert hasty.stopped
    assert hasty.stopped_at_once
