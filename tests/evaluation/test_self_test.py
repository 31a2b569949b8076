import dataclasses

import pytest
import torch

from napari_emgauss.evaluation import self_test as tested
from napari_emgauss.evaluation.pace import Workload
from napari_emgauss.evaluation.self_test import Finding, SelfTest, check_device, self_test
from napari_emgauss.runtime.gpu_parts import GpuPart

LITTLE = Workload(gaussians=200, px_per_gaussian=40, side_px=32, stack=(19, 24, 24), repeats=1, copied_bytes=2**16)
CPU = torch.device("cpu")


@pytest.mark.slow
def test_the_cpu_computes_what_the_cpu_does():
    told = []
    found = check_device(CPU, work=LITTLE, tell=told.append)
    assert found.passed
    assert tuple(told) == found.findings
    subjects = [finding.subject for finding in told]
    assert {"Gauss-Newton step", "training", "repeatability", "speed"} <= set(subjects)
    assert "works" in found.verdict


def test_a_kernel_that_draws_something_else_every_time_fails(monkeypatch):
    splat, calls = tested.splat, []

    def unsteady(*args, **kwargs):
        calls.append(args)
        return splat(*args, **kwargs) * (1 + 0.01 * (len(calls) % 3 == 1))

    monkeypatch.setattr(tested, "splat", unsteady)
    found = next(iter(tested._kernels(CPU, LITTLE)))
    assert not found.passed
    assert "NOT alike" in found.told


def test_a_test_that_breaks_is_a_finding_and_the_others_go_on(monkeypatch):
    def broken(device, work):
        raise RuntimeError("no kernel image is available")
        yield

    def fine(device, work):
        yield Finding("fine", True, "it is")

    for name in ("_kernels", "_loss", "_trainings", "_compositing"):
        monkeypatch.setattr(tested, name, fine)
    monkeypatch.setattr(tested, "_speed", broken)
    found = check_device(CPU, work=LITTLE)
    assert [finding.passed for finding in found.findings] == [True, True, False, True, True]
    assert "no kernel image" in str(found)
    assert "report" in found.verdict


def test_without_a_gpu_it_says_what_is_missing(monkeypatch):
    parts = [GpuPart("NVIDIA driver", False, "not found", "Install it."), GpuPart("GPU", False, "none", "Look.")]
    monkeypatch.setattr(tested, "gpu_parts", lambda: parts)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = self_test()
    assert not found.passed
    assert "Install it." in str(found)
    assert "NVIDIA driver, GPU" in found.verdict


def test_what_only_one_preset_needs_may_be_missing():
    assert tested._finding(GpuPart("nvcc", False, "not found", "Install it."), required=False).passed


@pytest.mark.parametrize("passed", [True, False])
def test_a_test_passes_if_all_its_findings_do(passed):
    found = SelfTest("X", (Finding("a", True, "good"), Finding("b", passed, "perhaps")))
    assert found.passed is passed
    assert dataclasses.astuple(found.findings[0])[0] in str(found)
