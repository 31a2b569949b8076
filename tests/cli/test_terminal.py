"""Signals and output of a terminal that may be gone."""

import errno
import io
import os
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from napari_emgauss.cli.terminal import Output, on_signals, printable

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals")


def test_control_characters_are_written_out():
    assert printable("a\x1b[2Jb\x9b\r\n\tµ × →") == "a\\x1b[2Jb\\x9b\\r\n\tµ × →"
    assert printable("\u202eright to left") == "\\u202eright to left"


def test_output_that_is_gone_is_no_error(monkeypatch):
    class Gone:
        def write(self, text):
            raise BrokenPipeError

        flush = write

    monkeypatch.setattr(sys, "stdout", Gone())
    output = Output("stdout")
    assert output.write("abc") == 3
    monkeypatch.undo()
    assert output.encoding == sys.stdout.encoding


def test_a_terminal_that_is_gone_is_no_error_while_a_live_line_is_shown(monkeypatch):
    class Terminal(io.StringIO):
        gone = False

        def isatty(self):
            return True

        def write(self, text):
            if self.gone:
                raise OSError(errno.EIO, "Input/output error")
            return super().write(text)

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    console = Console(file=Output("stdout"), force_terminal=True)
    with Progress(console=console):
        console.print("before")
        terminal.gone = True
        console.print("after")
    assert "before" in terminal.getvalue()
    assert "after" not in terminal.getvalue()


def test_signals_that_were_ignored_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with on_signals(lambda number, frame: pytest.fail("was told")):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


_TELLS_WHEN_MAIN_IMPORTS = """
import sys
from napari_emgauss.cli import main

class Teller:
    def find_spec(self, name, path, target=None):
        if name == "napari_emgauss.cli.dispatch":
            print("begun", flush=True)

sys.meta_path.insert(0, Teller())
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("delay_s", [0.0, 0.3, 1.0])
def test_ctrl_c_at_any_moment_of_the_start_leaves_no_traceback(delay_s, tmp_path):
    command = [sys.executable, "-c", _TELLS_WHEN_MAIN_IMPORTS, "evaluate", str(tmp_path / "missing.tif")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(delay_s)
        process.send_signal(signal.SIGINT)
        text = process.stderr.read()
    assert "Traceback" not in text
    assert process.returncode in (130, 1)  # 1: it came to its end, where the file is missing
