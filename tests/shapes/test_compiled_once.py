"""One process compiles a kernel, the others wait and load it."""

from types import SimpleNamespace

import pytest
from compiled_once import compiled_by_one
from filelock import FileLock, Timeout
from numba.core.dispatcher import Dispatcher

from napari_emgauss.render import kernels


def test_nobody_else_compiles_a_function_meanwhile_even_if_it_compiles_others(tmp_path):
    def compile_for(dispatcher, signature):
        (lock,) = tmp_path.glob("*.lock")
        with pytest.raises(Timeout):
            FileLock(lock).acquire(timeout=0)
        return compile_once(dispatcher, signature - 1) if signature else "compiled"

    compile_once = compiled_by_one(compile_for)
    dispatcher = SimpleNamespace(_cache=SimpleNamespace(cache_path=str(tmp_path)), py_func=kernels.sum_backward.py_func)
    assert compile_once(dispatcher, 2) == "compiled"
    with FileLock(next(tmp_path.glob("*.lock"))).acquire(timeout=0):
        pass


def test_it_holds_for_every_test():
    assert Dispatcher.compile.__qualname__ == "compiled_by_one.<locals>.compile_by_one"
    assert kernels.sum_backward._cache.cache_path is not None
