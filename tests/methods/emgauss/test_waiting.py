import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.methods.emgauss.fake_gpu import CASES
from tests.methods.emgauss.fake_gpu import __name__ as script

from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.phantoms import phantom
from napari_emgauss.training import BlockTrainer, loop


@pytest.fixture(scope="module")
def found():
    """What went wrong in the steps of each training."""
    command, root = [sys.executable, "-m", script], Path(__file__).resolve().parents[3]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, cwd=root)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_a_step_neither_waits_for_the_gpu_nor_mixes_devices(found, case):
    assert not found[case]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("settings", [{"newton_steps": 20}, {"newton_steps": 0, "joint": 20}], ids=["solve", "descent"])
def test_cuda_is_not_waited_for(monkeypatch, settings):
    monkeypatch.setattr(loop, "READ_EVERY_S", 1e9)
    setup = prepare(phantom((13, 64, 64)).every(6), device="cuda", use_teacher=False, **settings)
    trainer = BlockTrainer(EmgaussJob(setup, Study()).build(0))
    for _ in range(2):  # compiles, and fetches what stays
        trainer.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            trainer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    trainer.read()
    assert trainer.losses["loss"] < 1
