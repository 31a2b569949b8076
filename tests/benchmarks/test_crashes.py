"""Trainings ended in the ways that leave least time; the other ways and commands are tried by the benchmark."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pty", reason="needs a pseudo-terminal", exc_type=ImportError)

from benchmarks import crashes

QUICK = {
    "training": ("adapt_spacing=false", "uncertainty=false"),
    "slices": ("solve_steps=1", "spacing=4.0"),
    "particles": ("n_gaussians=30", "shape_iterations=1", "likelihood_iterations=1", "refine=off"),
}
ENDS = [
    ("training", "kill -9", 0.8),
    ("training", "terminal closed", 0.6),
    ("slices", "kill -9", 0.7),
    ("particles", "kill -9", 0.7),
]
PROGRAM = """
import json, sys
from pathlib import Path
from benchmarks import crashes
folder, quick, ends = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
known, findings = {}, []
for name, way, share in ends:
    if name not in known:
        (folder / name).mkdir()
        work = getattr(crashes, name)(folder / name, settings=quick[name])
        known[name] = (work, *crashes.undisturbed(work))
    work, result, seconds = known[name]
    findings.append(crashes.trial(work, result, way, share * seconds).finding)
work, result, _ = known["training"]
work.output.write_bytes(b"half")
broken = [crashes.after_the_end(work, crashes.Run(*ended), result) for ended in ((0, "", 1.0), (1, "Traceback", 1.0))]
print(json.dumps({"findings": findings, "broken": broken}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Findings of all ends, and those where the output is broken and where there is a traceback."""
    # In a process of its own: it forks, which threads of libraries that other tests have used do not survive.
    root = Path(crashes.__file__).parents[1]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("crashes")), json.dumps(QUICK)]
    ran = subprocess.run(
        [*command, json.dumps(ENDS)], cwd=root, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("end", range(len(ENDS)), ids=[f"{name}, {way}" for name, way, _ in ENDS])
def test_a_training_that_is_ended_keeps_its_word(told, end):
    assert told["findings"][end] == ""


def test_a_broken_output_is_a_finding(told):
    assert "broken output" in told["broken"][0]
    assert "Traceback" in told["broken"][1]
