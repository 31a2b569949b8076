"""A short attack in every run of the tests; the long one is a command."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks and limits processes")


@pytest.fixture(scope="module")
def tools():
    from benchmarks import attack, mutations

    return attack, mutations


def test_damaged_files_are_used_or_refused_in_one_plain_line(tmp_path):
    # In a process of its own: children are forked from it, and threads of other tests would not survive that.
    output = tmp_path / "table.md"
    command = [sys.executable, "-m", "benchmarks.attack", "--inputs", "300", "--seed", "3", "-o", output]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| all | 300 |" in output.read_text()


def test_the_attack_tells_crashes_foreign_errors_and_files_that_take_too_long(tools, tmp_path, monkeypatch):
    import os
    import time

    attack, _ = tools
    monkeypatch.setattr(attack, "LIMIT_S", 1.0)
    for use, told in (
        (lambda path, scratch: os.abort(), "SIGABRT"),
        (lambda path, scratch: {}["key"], "KeyError"),
        (lambda path, scratch: time.sleep(30), "took more than"),
        (lambda path, scratch: np.empty(2**40), "MemoryError"),
        (lambda path, scratch: (_ for _ in ()).throw(ValueError("no name")), "no name"),
    ):
        monkeypatch.setattr(attack, "use", use)
        result, words = attack.attempt(tmp_path / "file.tif", tmp_path)
        assert result == attack.FINDING
        assert told in words


def test_the_same_seed_damages_alike_and_another_otherwise(tools, tmp_path):
    _, mutations = tools
    good = tmp_path / "good.tif"
    good.write_bytes(np.random.default_rng(0).bytes(5000))

    def damaged(seed):
        rng = np.random.default_rng(seed)
        return [mutations.mutated(good, tmp_path / "work", rng)[0].read_bytes() for _ in range(5)]

    (tmp_path / "work").mkdir()
    assert damaged(1) == damaged(1) != damaged(2)
