"""Peak memory by samples of the resident size."""

import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from napari_emgauss.runtime.memory import (
    MemoryMeter,
    available_bytes,
    give_back_freed,
    is_out_of_memory,
    process_limit_bytes,
    process_peak_mib,
)

BALLAST = 80 * 2**20


def hold_ballast(long_enough=lambda: False, *, at_most_s=60.0):
    ballast = np.ones(BALLAST, np.uint8)
    end = time.monotonic() + at_most_s
    while not long_enough() and time.monotonic() < end:
        time.sleep(0.01)
    return int(ballast[-1])


def test_memory_held_for_a_moment_is_seen():
    with MemoryMeter() as meter, meter.measuring():
        hold_ballast(lambda: meter.peak_above_start_mib > 60)
    assert meter.peak_above_start_mib > 60


def test_memory_held_outside_the_measured_stretch_is_not():
    with MemoryMeter() as meter:
        with meter.measuring():
            pass
        hold_ballast(at_most_s=0.1)
        with meter.measuring():
            pass
    assert meter.peak_above_start_mib < 40


def test_the_sampling_thread_ends_with_the_meter():
    with MemoryMeter():
        assert any(thread.name == "memory-meter" for thread in threading.enumerate())
    assert not any(thread.name == "memory-meter" for thread in threading.enumerate())


def test_process_peak_is_at_least_the_present_size():
    with MemoryMeter() as meter:
        pass
    assert process_peak_mib() >= 0.9 * meter.start_bytes / 2**20


def test_process_peak_does_not_count_the_parents():
    ballast = np.ones(40_000_000)
    program = "from napari_emgauss.runtime.memory import process_peak_mib; print(process_peak_mib())"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process_peak_mib() > ballast.nbytes / 2**20
    if sys.platform == "linux":
        assert float(child.stdout) < ballast.nbytes / 2**20


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not create a memory object"), True),
        (RuntimeError("could not execute a primitive"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("could not create a primitive descriptor for a convolution forward propagation"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("no room in the box"), False),
    ],
    ids=repr,
)
def test_want_of_memory_is_told_by_what_libraries_say(error, is_one):
    assert is_out_of_memory(error) is is_one


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_what_one_process_has_taken_of_its_limit_is_not_taken_from_others(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda kind: (2**30, 2**30))
    assert process_limit_bytes() == 2**30
    assert available_bytes() < 2**30


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_threads_reserve_little_where_the_address_space_is_limited():
    program = (
        "import resource, sys, threading\nimport numpy as np\n"
        "from napari_emgauss.runtime.memory import spare_address_space\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))\nspare_address_space()\n"
        "together = threading.Barrier(13)\n"
        "def hold():\n    kept = [bytearray(5000) for _ in range(100)]\n    together.wait()\n    together.wait()\n"
        "for _ in range(12):\n    threading.Thread(target=hold).start()\n"
        "together.wait()\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmSize')))\n"
        "together.wait()\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 600_000  # kB; 12 arenas take 800 MB more


@pytest.mark.skipif(sys.platform != "linux", reason="malloc is glibc's")
def test_what_was_freed_below_what_is_still_used_is_given_back():
    kept = [bytearray(3000) for _ in range(40_000)]
    last = kept.pop()
    kept.clear()
    before = psutil.Process().memory_info().rss
    give_back_freed()
    assert before - psutil.Process().memory_info().rss > 80e6
    assert len(last) == 3000
