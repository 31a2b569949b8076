"""A training ended in the two ways that leave least time; the other ways and commands are tried by the benchmark."""

import os

import pytest

from benchmarks import crashes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A training, its result, and how long it takes."""
    settings = ("tile_overlap_px=8", "adapt_spacing=false", "uncertainty=false")
    work = crashes.training(tmp_path_factory.mktemp("crashes"), (19, 48, 72), settings)
    result, seconds = crashes.undisturbed(work)
    return work, result, seconds


@pytest.mark.parametrize(("way", "share"), [("kill -9", 0.8), ("terminal closed", 0.6)])
def test_a_training_that_is_ended_keeps_its_word(training, way, share):
    work, result, seconds = training
    assert crashes.trial(work, result, way, share * seconds).finding == ""


def test_a_broken_output_is_a_finding(training):
    work, result, _ = training
    ended = crashes.Run(code=0, text="", seconds=1.0)
    work.output.parent.mkdir(exist_ok=True)
    work.output.write_bytes(b"half")
    assert "broken output" in crashes.after_the_end(work, ended, result)
    assert "Traceback" in crashes.after_the_end(work, crashes.Run(1, "Traceback", 1.0), result)
