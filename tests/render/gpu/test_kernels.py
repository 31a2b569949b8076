"""How kernels are started."""

import pytest
import torch

pytest.importorskip("triton", reason="needs triton, which is for Linux")

from napari_emgauss.render.gpu.kernels import TiledKernel


class Compiler:
    """Stands for triton: keeps what it is asked to compile, and what the results are started with."""

    def __init__(self):
        self.compiled, self.started = [], []

    def __getitem__(self, grid):
        def compile_and_start(*arguments, num_warps):
            self.compiled.append(arguments)
            return self

        return compile_and_start if len(grid) == 2 else lambda *arguments: self.started.append(arguments)


def test_a_kernel_is_compiled_once_for_its_constants_whatever_else_it_is_given(monkeypatch):
    def kernel(values, n, BLOCK): ...

    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    tiled, compiler = TiledKernel(kernel), Compiler()
    tiled._jit, tiled.interpreted = compiler, False
    for n, block in ((1, 64), (16, 64), (7, 128), (1, 64)):
        tiled((2, 1), "values", n, block)
    assert compiler.compiled == [("values", 1, 64), ("values", 7, 128)]
    assert compiler.started == [("values", 16, 64), ("values", 1, 64)]
