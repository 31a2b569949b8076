"""The command line: ``napari-emgauss`` with a command; `napari_emgauss.cli.dispatch` has them all."""

from __future__ import annotations

from collections.abc import Sequence

from napari_emgauss.cli.terminal import on_signals, quit_at_once

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

    Errors in the input are printed in plain words; an unexpected error keeps its traceback. Ctrl-C ends at once unless
    a command has something to keep.
    """
    with on_signals(quit_at_once):
        # Within: the imports alone can take seconds.
        from napari_emgauss.cli.dispatch import run

        return run(arguments)
