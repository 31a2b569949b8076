"""Trainings ended in the ways that leave least time; the other ways and commands are tried by the benchmark."""

import pytest

pytest.importorskip("pty", reason="needs a pseudo-terminal", exc_type=ImportError)

from benchmarks import crashes

QUICK = {
    "training": ("adapt_spacing=false", "uncertainty=false"),
    "slices": ("solve_steps=1", "spacing=4.0"),
    "particles": ("n_gaussians=30", "shape_iterations=1", "likelihood_iterations=1", "refine=off"),
}


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Trainings by their makers: with their results and how long they take, once each is needed."""
    known = {}

    def tried(name):
        if name not in known:
            work = getattr(crashes, name)(tmp_path_factory.mktemp(name), settings=QUICK[name])
            known[name] = (work, *crashes.undisturbed(work))
        return known[name]

    return tried


@pytest.mark.parametrize(
    ("name", "way", "share"),
    [
        ("training", "kill -9", 0.8),
        ("training", "terminal closed", 0.6),
        ("slices", "kill -9", 0.7),
        ("particles", "kill -9", 0.7),
    ],
)
def test_a_training_that_is_ended_keeps_its_word(trainings, name, way, share):
    work, result, seconds = trainings(name)
    assert crashes.trial(work, result, way, share * seconds).finding == ""


def test_a_broken_output_is_a_finding(trainings):
    work, result, _ = trainings("training")
    ended = crashes.Run(code=0, text="", seconds=1.0)
    work.output.parent.mkdir(exist_ok=True)
    work.output.write_bytes(b"half")
    assert "broken output" in crashes.after_the_end(work, ended, result)
    assert "Traceback" in crashes.after_the_end(work, crashes.Run(1, "Traceback", 1.0), result)
