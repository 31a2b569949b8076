"""Annotations of shapes are checked while tests run, wherever there are any."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from annotated import checked, kind
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.render import kernels, splat

SOURCE = Path(__file__).resolve().parents[2] / "src" / "napari_emgauss"


def scene(n_means):
    return torch.zeros(n_means, 2), torch.tensor([[1.0, 0.0, 1.0]]).repeat(3, 1), torch.ones(3)


def test_a_wrong_shape_is_caught():
    assert splat(*scene(3), (8, 8)).shape == (8, 8)
    with pytest.raises(jaxtyping.TypeCheckError, match="conics"):
        splat(*scene(4), (8, 8))


def zeros_beside(x: Float[Tensor, " n"], n: int) -> Float[Tensor, " n"]:
    return torch.zeros(n)


def test_a_wrong_result_is_caught_each_time_although_the_same_was_given_before():
    zeros = jaxtyping.jaxtyped(typechecker=checked)(zeros_beside)
    for _ in range(2):
        assert zeros(torch.ones(3), 3).shape == (3,)
        with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
            zeros(torch.ones(3), 4)


def test_a_combination_is_checked_once_wherever_a_function_is_made_again():
    n_checks = []

    def counted(function):
        check = checked(function)
        return lambda *args, **kwargs: (n_checks.append(1), check(*args, **kwargs))[1]

    for size in (3, 3, 5, 3):

        def doubled(x: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
            return 2 * x

        assert (jaxtyping.jaxtyped(typechecker=counted)(doubled)(torch.ones(size)) == 2).all()
    assert len(n_checks) == 2 * 2  # what is given and what is returned, of two sizes


@pytest.mark.parametrize(
    "other",
    [
        (torch.ones(2, 4), {"a": [np.ones(3)]}),
        (torch.ones(2, 3, dtype=torch.float64), {"a": [np.ones(3)]}),
        (torch.nn.Parameter(torch.ones(2, 3)), {"a": [np.ones(3)]}),
        (torch.ones(2, 3), {"b": [np.ones(3)]}),
        (torch.ones(2, 3), {"a": [np.ones(3, np.float32)]}),
        (torch.ones(2, 3), {"a": (np.ones(3),)}),
        (torch.ones(2, 3), {"a": [np.ones(3), None]}),
        (torch.ones(2, 3), None),
    ],
)
def test_values_that_a_check_can_tell_apart_are_of_different_kinds(other):
    one, again = ((torch.full((2, 3), value), {"a": [np.full(3, value)]}) for value in (1.0, 2.0))
    assert kind(one) == kind(again)
    assert kind(other) != kind(one)


@pytest.mark.misuse
def test_a_test_marked_as_misuse_sees_what_a_user_sees():
    with pytest.raises(ValueError, match="conics must have shape"):
        splat(*scene(4), (8, 8))


def test_numba_gets_kernels_as_they_stand_in_their_file():
    assert hasattr(splat, "__wrapped__")
    compiled = [value for value in vars(kernels).values() if hasattr(value, "py_func")]
    assert compiled
    assert not any(hasattr(kernel.py_func, "__wrapped__") for kernel in compiled)


def bound_when_imported(module: ast.Module) -> set[str]:
    """Return the names that a module's import statements bind, but for those under TYPE_CHECKING."""
    imports = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name.split(".")[0] for node in imports for alias in node.names} | set(dir(builtins))


def annotations_with_shapes(module: ast.Module) -> list[ast.expr]:
    typed = {
        alias.asname or alias.name
        for node in module.body
        if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping"
        for alias in node.names
    }
    arguments = [node.annotation for node in ast.walk(module) if isinstance(node, ast.arg) and node.annotation]
    results = [node.returns for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.returns]
    return [each for each in arguments + results if names(each) & typed]


def names(expression: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(SOURCE.rglob("*.py")) if "from jaxtyping import" in p.read_text(encoding="utf-8")],
    ids=str,
)
def test_every_annotation_with_a_shape_is_known_when_its_module_is_imported(path):
    module = ast.parse(path.read_text(encoding="utf-8"))
    annotations = annotations_with_shapes(module)
    assert annotations
    unknown = {ast.unparse(each): names(each) - bound_when_imported(module) for each in annotations}
    assert not {text: missing for text, missing in unknown.items() if missing}
