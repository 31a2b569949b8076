"""A few damaged files of every format; thousands are tried by the benchmark."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("resource", reason="limits the memory of a process")

from benchmarks import attack, mutations

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the memory of a process")


def test_damaged_files_are_used_or_refused_in_one_line():
    pytest.importorskip("tensorstore", reason="pip install 'napari-emgauss[remote]'")
    # In a process of its own: it forks, which libraries that other tests have used do not survive.
    root = Path(attack.__file__).parents[1]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "benchmarks.attack", "--inputs", "56", "--seed", "4"]
    ran = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "| all | 56 |" in ran.stdout


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("raise ValueError('odd')", "ValueError: odd"),
        ("raise errors.VolumeError('section 3 is odd.\\nIt is.')", "VolumeError"),
        ("np.ones(2**40)", "MemoryError"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "died of signal SIGKILL"),
        ("time.sleep(60)", "took more than 0.5 s"),
    ],
)
def test_what_is_no_refusal_is_a_finding(tmp_path, monkeypatch, what, words):
    monkeypatch.setattr(attack, "use", lambda *_: exec(what, vars(attack)))
    if "sleep" in what:
        monkeypatch.setattr(attack, "LIMIT_S", 0.5)
    result, told = attack.attempt(tmp_path / "a.tif", tmp_path)
    assert result == attack.FINDING
    assert words in told


def test_seed_and_number_make_an_input(tmp_path):
    good = tmp_path / "a.bin"
    good.write_bytes(bytes(range(256)))
    made = []
    for name in "ab":
        (tmp_path / name).mkdir()
        path, _ = mutations.mutated(good, tmp_path / name, np.random.default_rng([3, 8]))
        made.append(path.read_bytes())
    assert made[0] == made[1] != good.read_bytes()
