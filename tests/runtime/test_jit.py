"""Kernels are compiled, kept on disk where that is possible, and keep the meaning of NaN."""

import math
import os
import subprocess
import sys

import numba
import pytest

from napari_emgauss.runtime import jit


def kernel(x):
    return 1 if x != x else 2 if x == math.inf else 0


@pytest.mark.parametrize("can_cache", [True, False])
def test_a_kernel_is_compiled_with_or_without_a_cache(monkeypatch, can_cache):
    def njit(**options):
        if options.get("cache") and not can_cache:
            raise RuntimeError("no locator available")
        return numba.njit(**{**options, "cache": False})

    monkeypatch.setattr(jit, "njit", njit)
    compiled = jit.njit_nogil(kernel)
    assert [compiled(math.nan), compiled(math.inf), compiled(1.0)] == [1, 2, 0]
    assert compiled.targetoptions["nogil"]


CALL = """from napari_emgauss.runtime.jit import njit_nogil
@njit_nogil
def twice(x):
    return 2 * x
print(twice(4.0))"""


@pytest.mark.parametrize(("kind", "kept"), [("nbi", 0), ("nbc", 60)])
def test_a_damaged_cache_is_thrown_away_and_compiled_again(tmp_path, kind, kept):
    script = tmp_path / "script.py"
    script.write_text(CALL)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def call():
        return subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)

    assert call().stdout == "8.0\n"
    (path,) = (tmp_path / "cache").rglob(f"*.{kind}")
    whole = path.read_bytes()
    path.write_bytes(whole[: kept * len(whole) // 100])
    damaged = call()
    assert (damaged.stdout, damaged.returncode) == ("8.0\n", 0)
    assert "compiled again" in damaged.stderr
    assert call().stderr == ""


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    def full(self, *_):
        raise OSError("No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert jit.njit_nogil(lambda x: x + 1)(1) == 2
