import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.methods.emgauss.fake_gpu import CASES
from tests.methods.emgauss.fake_gpu import __name__ as script


@pytest.fixture(scope="module")
def found():
    """What went wrong in the steps of each training."""
    command, root = [sys.executable, "-m", script], Path(__file__).resolve().parents[3]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, cwd=root)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_a_step_neither_waits_for_the_gpu_nor_mixes_devices(found, case):
    assert not found[case]
