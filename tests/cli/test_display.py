"""Ctrl-C stops a training once, and quits when it is pressed again."""

import os
import signal
from io import StringIO

import pytest
from rich.console import Console

from napari_emgauss.cli.display import plain_console, stop_on_interrupt
from napari_emgauss.training import Control


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_the_first_ctrl_c_stops_and_the_second_quits():
    control, shown = Control(), StringIO()
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt(control, Console(file=shown, soft_wrap=True)):
        assert not control.stopped
        signal.raise_signal(signal.SIGINT)
        assert control.stopped
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert "keeping what was learned" in shown.getvalue()
    assert signal.getsignal(signal.SIGINT) is before


def test_text_is_shown_as_it_is(capsys):
    plain_console().print("[0, 1] of /a/b.tif " + 200 * "x")
    assert capsys.readouterr().out == "[0, 1] of /a/b.tif " + 200 * "x" + "\n"
