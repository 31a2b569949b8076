from napari_emgauss.training import Control


def test_a_pause_asked_for_after_a_stop_does_not_hold():
    control = Control()
    control.stop()
    control.pause()
    assert not control.paused
    control.wait_while_paused()
    assert control.held()
