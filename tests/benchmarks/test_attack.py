"""A few damaged files of every format; thousands are tried by the benchmark."""

import sys

import numpy as np
import pytest

from benchmarks import attack, mutations

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the memory of a process")


@pytest.mark.slow
def test_damaged_files_are_used_or_refused_in_one_line(tmp_path):
    pytest.importorskip("tensorstore", reason="pip install 'napari-emgauss[remote]'")
    outcomes = attack.attack(range(52), 4, tmp_path)
    assert [outcome for outcome in outcomes if outcome.result == attack.FINDING] == []
    assert {outcome.result for outcome in outcomes} == {attack.LOADED, attack.REFUSED}


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
