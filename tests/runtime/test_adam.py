"""Adam as torch has it, without its compiler."""

import subprocess
import sys

import pytest
import torch

from napari_emgauss.runtime.adam import Adam
from napari_emgauss.runtime.triton import load_triton

STEP = """
import sys
import torch
from napari_emgauss.runtime.adam import Adam
parameter = torch.ones(3, requires_grad=True)
optimiser = Adam([{"params": [parameter], "lr": 0.1}])
parameter.square().sum().backward()
optimiser.step()
optimiser.zero_grad()
assert parameter.grad is None
assert (parameter < 1).all()
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 1e-2])
def test_it_moves_parameters_as_torch_does_to_the_last_bit(weight_decay, fused):
    def groups():
        rng = torch.Generator().manual_seed(0)
        sizes = ((4, 3), (7,), ())
        one, other, still = (torch.randn(size, generator=rng).requires_grad_() for size in sizes)
        return [{"params": [one, still], "lr": 0.1}, {"params": [other], "lr": 0.01}]

    load_triton()  # which torch's own would load as they like
    ours, theirs = groups(), groups()
    optimiser = Adam(ours, eps=1e-12, weight_decay=weight_decay, fused=fused)
    kind = torch.optim.AdamW if weight_decay else torch.optim.Adam
    reference = kind(theirs, eps=1e-12, weight_decay=weight_decay, fused=fused or None)
    for k in range(5):
        for each, of in ((ours, optimiser), (theirs, reference)):
            of.zero_grad()
            of.param_groups[1]["lr"] = 0.01 / (k + 1)
            (each[0]["params"][0].square().sum() * (each[1]["params"][0] + k).sin().sum()).backward()
            of.step()
    for mine, its in zip(ours, theirs, strict=True):
        for a, b in zip(mine["params"], its["params"], strict=True):
            assert torch.equal(a, b)
            assert {k: v.tolist() for k, v in optimiser.state.get(a, {}).items()} == {
                k: v.tolist() for k, v in reference.state.get(b, {}).items()
            }


def test_a_step_does_not_load_the_compiler():
    ran = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True)
    assert (ran.stdout.strip(), ran.stderr) == ("False", "")
