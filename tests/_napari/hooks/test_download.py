"""Downloads are checked, kept, and given up where a server fails."""

import pytest

from napari_emgauss._napari.controls.notify import message_of
from napari_emgauss._napari.hooks import download, fib25, samples
from napari_emgauss.errors import DownloadError

# pooch leaves the connection of a download that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def kept(tmp_path):
    return sorted(f.name for f in (tmp_path / "cache").rglob("*") if f.is_file())


def test_it_is_downloaded_once(server, images, tmp_path):
    samples.fib25()
    assert sorted(server.asked) == sorted(images)
    samples.fib25()
    assert len(server.asked) == len(images)
    assert kept(tmp_path) == sorted(images)


def test_a_damaged_file_is_downloaded_again(server, images, tmp_path):
    samples.fib25()
    name = next(iter(images))
    next((tmp_path / "cache").rglob(name)).write_bytes(b"damaged")
    samples.fib25()
    assert server.asked[len(images) :] == [name]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("changed", "checksum differs"),
        ("truncated", "broke off"),
        ("absent", "status 404"),
        ("huge", "larger than"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_of_it_is_kept(server, tmp_path, spoil, message):
    server.spoil = spoil
    with pytest.raises(DownloadError, match=message) as caught:
        samples.fib25()
    assert "try again" in message_of(caught.value)
    assert kept(tmp_path) == []
    server.spoil = "nothing"
    assert len(samples.fib25()[0][0]) == 7


def test_without_a_connection_it_says_so(server, monkeypatch):
    monkeypatch.setattr(fib25, "BASE_URL", "http://127.0.0.1:9/maps/")
    with pytest.raises(DownloadError, match="Check the internet connection"):
        samples.fib25()


@pytest.mark.parametrize("limit", ["SILENCE_S", "LONGEST_S"])
def test_a_silent_server_is_given_up(server, monkeypatch, limit):
    server.spoil = "silent"
    monkeypatch.setattr(download, limit, 0.3)
    with pytest.raises(DownloadError):
        samples.fib25()
    server.silent.set()


def test_the_window_is_repainted_while_it_waits(server, qtbot):
    from qtpy.QtCore import QTimer

    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1) or (len(ticks) > 5 and server.silent.set()))
    timer.start(20)
    server.spoil = "silent"
    with pytest.raises(DownloadError):
        samples.fib25()
    timer.stop()
    assert len(ticks) > 5
