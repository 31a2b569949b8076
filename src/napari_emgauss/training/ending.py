"""What a training says around its blocks: its end, told once and last, and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from napari_emgauss.training.events import Event, Finished, FinishReason, Notice


@contextmanager
def told_last(on_event: Callable[[Event], None] | None) -> Iterator[Callable[[Event], None]]:
    """Yield what passes events on to ``on_event`` and keeps the terminal one until the very end.

    Of several ends, as of a run that is tried again, the last is told. A failure inside is the end, unless a run said
    so itself.
    """
    send = on_event or (lambda event: None)
    end: list[Finished] = []

    def emit(event: Event) -> None:
        if isinstance(event, Finished):
            end[:] = [event]
        else:
            send(event)

    try:
        yield emit
    except BaseException as error:
        if not end or end[0].reason is not FinishReason.FAILED:
            message = str(error) or type(error).__name__
            end[:] = [Finished(reason=FinishReason.FAILED, iteration=0, seconds=0.0, message=message)]
        raise
    finally:
        for event in end:
            send(event)


def noted(emit: Callable[[Event], None]) -> Callable[[str], None]:
    """Return what makes a `Notice` of a message."""
    return lambda message: emit(Notice(message=message))
