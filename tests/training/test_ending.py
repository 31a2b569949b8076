import pytest

from napari_emgauss.training import Finished, FinishReason, Notice, noted, told_last

DONE = Finished(reason=FinishReason.COMPLETED, iteration=3, seconds=1.0)
FAILED = Finished(reason=FinishReason.FAILED, iteration=2, seconds=1.0, message="no")


def test_the_last_end_is_told_after_everything_else():
    told = []
    with told_last(told.append) as emit:
        emit(FAILED)
        emit(DONE)
        noted(emit)("a word")
        assert told == [Notice(message="a word")]
    assert told[1:] == [DONE]


def fail_after(said, listen):
    with told_last(listen) as emit:
        for event in said:
            emit(event)
        raise OSError("gone")


def test_a_failure_is_the_end_unless_a_run_said_so_itself():
    for said, end in (([], 0), ([DONE], 0), ([FAILED], 2)):
        told = []
        with pytest.raises(OSError, match="gone"):
            fail_after(said, told.append)
        assert [(event.reason, event.iteration) for event in told] == [(FinishReason.FAILED, end)]


def test_nobody_needs_to_listen():
    with told_last(None) as emit:
        emit(DONE)
