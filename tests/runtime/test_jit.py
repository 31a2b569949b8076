"""Kernels are compiled, kept on disk where that is possible, and keep the meaning of NaN."""

import math

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
