"""A request to end stops a training once, and quits when it comes again."""

import os
import signal
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from napari_emgauss.cli.display import TrainingDisplay, describe, plain_console, stop_on_interrupt
from napari_emgauss.training import Control, Notice, Progress

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_request_stops_and_the_second_quits(number, monkeypatch):
    ended = []
    monkeypatch.setattr("os._exit", ended.append)
    control, shown = Control(), StringIO()
    before = signal.getsignal(number)
    with stop_on_interrupt(control, Console(file=shown, soft_wrap=True)):
        assert not control.stopped
        signal.raise_signal(number)
        assert control.stopped
        assert ended == []
        signal.raise_signal(number)
    assert ended == [130]
    assert "keeping what was learned" in shown.getvalue()
    assert signal.getsignal(number) is before


def test_text_is_shown_as_it_is(capsys):
    plain_console().print("[0, 1] of /a/b.tif " + 200 * "x")
    assert capsys.readouterr().out == "[0, 1] of /a/b.tif " + 200 * "x" + "\n"


def test_control_characters_do_not_reach_the_terminal(capsys):
    plain_console().print("evil\x1b]0;title\x07.tif\nnext × line")
    assert capsys.readouterr().out == "evil\\x1b]0;title\\x07.tif\nnext × line\n"


def test_notices_are_shown_among_the_progress(capsys):
    with TrainingDisplay(plain_console()) as display:
        display(Notice(message="The disk is full."))
    assert "Note: The disk is full." in capsys.readouterr().out


def test_time_left_is_that_of_the_stage_where_nothing_else_is_known():
    before = Progress.outside_blocks("summing images", 0, 40, seconds=1.0, seconds_left=20.0)
    assert describe(before) == "summing images · 20 s left in this stage"
    between = replace(before, stage="pseudo-sections", iteration=3)
    assert describe(between) == "pseudo-sections · 3/40 · 20 s left in this stage"
    learning = replace(before, stage="shape", iteration=3, of_stage=False)
    assert describe(learning) == "shape · 3/40 · 20 s left"
