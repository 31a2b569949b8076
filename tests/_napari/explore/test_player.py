import numpy as np

WAIT_MS = 60_000


def test_playing_goes_back_and_forth_until_stopped(explore, qtbot):
    seen = []
    explore.view.slider.valueChanged.connect(seen.append)
    explore.view.speed.setValue(40)
    explore.view.play.click()
    zs = [explore.z]
    explore.player.advanced.connect(lambda _: zs.append(explore.z))
    qtbot.waitUntil(lambda: {-1, 1} <= set(np.sign(np.diff(zs))), timeout=WAIT_MS)
    explore.view.play.click()
    assert 0 <= min(zs) <= max(zs) <= 4
    assert not explore.player.playing
    assert seen == []
