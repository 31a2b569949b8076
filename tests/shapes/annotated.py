"""Arrays checked against the annotations of the package's functions, while tests run.

jaxtyping's import hook decorates every function, and typeguard checks what it is given and what it returns: shapes of
tensors (``Float[Tensor, "n 2"]``), and types of NumPy arrays (``NDArray[np.float32]``), which typeguard does not know
by itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import partial, wraps
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from types import FunctionType
from typing import Any, get_args, get_origin, get_type_hints

import jaxtyping
import numpy as np
from jaxtyping import AbstractArray, install_import_hook
from torch import Tensor
from typeguard import TypeCheckError, TypeCheckMemo, check_type_internal, checker_lookup_functions

LIBRARIES = ("cv2", "matplotlib.pyplot", "numba", "scipy.ndimage", "skimage.metrics", "torch", "zarr")
"""Imported before the hook: what the package would be the first to import could not use Python's compiled files."""
MENTIONS_ARRAYS = re.compile(r"Array|Tensor")
KERNELS = "@njit_nogil"
CONTAINERS = ("builtins", "collections.abc", "types", "typing")
"""Homes of tuples, sequences, mappings and unions: annotations that are looked into."""


def check_arrays(package: Path) -> None:
    """Check every function of a package that is imported from now on.

    Left alone are modules of Numba's kernels, which must reach Numba as they stand in their file; `__init__` files,
    since the hook takes a package's name for everything below it; and modules without a word about arrays.
    """
    for library in LIBRARIES:
        import_module(library)
    checker_lookup_functions.append(lambda kind, args, _: check_numpy_array if kind is np.ndarray and args else None)
    install_import_hook(
        [
            ".".join((package.name, *path.relative_to(package).with_suffix("").parts))
            for path in sorted(package.rglob("*.py"))
            if path.name != "__init__.py" and is_checked(path.read_text(encoding="utf-8"))
        ],
        f"{__name__}.{checked.__name__}",
    )
    jaxtyping.jaxtyped = partial(decorated, jaxtyping.jaxtyped)


def decorated(jaxtyped: Callable[..., Any], function: Any = None, **options: Any) -> Any:
    """Decorate as jaxtyping would, but for functions without arrays: binding their arguments takes a test's time."""
    if function is None:
        return partial(decorated, jaxtyped, **options)
    if isinstance(function, FunctionType):
        try:
            hints = get_type_hints(function, include_extras=True)
        except NameError:  # one that type checkers alone know; jaxtyping leaves it out
            pass
        else:
            if not any(map(holds_arrays, hints.values())):
                return function
    return jaxtyped(function, **options)


def is_checked(source: str) -> bool:
    """Return whether a module's functions are checked."""
    return KERNELS not in source and MENTIONS_ARRAYS.search(source) is not None


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with the arrays among its arguments checked, or its result where that is annotated.

    `typeguard.typechecked` reads the source of what it decorates, but jaxtyping's hook decorates functions that it
    makes itself: one that takes the parameters and returns anything, and one that also returns what the real one did.
    """
    hints = {name: hint for name, hint in function.__annotations__.items() if holds_arrays(hint)}
    returned = hints.pop("return", None)
    parameters = [p for p in signature(function).parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
    n_positional = sum(p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for p in parameters)
    positional, rest = [p.name for p in parameters[:n_positional]], [p.name for p in parameters[n_positional:]]

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if returned is not None or hints:
            memo = TypeCheckMemo(vars(sys.modules[function.__module__]), {})
            if returned is not None:
                check_type_internal(result, returned, memo)
            else:
                names = positional + rest[:1] * (len(args) - len(positional))  # the rest are those of *args
                for name, value in (*zip(names, args, strict=False), *kwargs.items()):
                    if name in hints:
                        check_type_internal(value, hints[name], memo)
        return result

    return wrapper


def holds_arrays(hint: Any) -> bool:
    """Return whether an annotation speaks of arrays or tensors."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray | np.ndarray | Tensor):
        return True
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return True
    if get_origin(hint) is np.ndarray:
        return True
    if getattr(get_origin(hint), "__module__", "") not in CONTAINERS or get_origin(hint) is Callable:
        return False
    return any(holds_arrays(each) for each in get_args(hint))


def check_numpy_array(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    """Check that a value is a NumPy array of the annotated type."""
    if not isinstance(value, np.ndarray):
        raise TypeCheckError("is not a NumPy array")
    (wanted,) = get_args(args[1]) or (Any,)
    if wanted is not Any and not np.issubdtype(value.dtype, wanted):
        raise TypeCheckError(f"is of type {value.dtype}, not {wanted.__name__}")
