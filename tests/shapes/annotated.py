"""Arrays checked against the annotations of the package's functions, while tests run.

jaxtyping's import hook decorates every function, and typeguard checks what it is given and what it returns: shapes of
tensors (``Float[Tensor, "n 2"]``), and types of NumPy arrays (``NDArray[np.float32]``), which typeguard does not know
by itself. A function is checked once for each combination of shapes and types that it is given and returns: a check
sees nothing else, and a training would take twice as long if it looked at the same combination in every step.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial, wraps
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from threading import local
from types import CodeType, FunctionType, SimpleNamespace
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
ARRAYS = (np.ndarray, Tensor)
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
    """Decorate as jaxtyping would, but functions without arrays stay as they are and others are looked at sparingly."""
    if function is None:
        return partial(decorated, jaxtyped, **options)
    if isinstance(function, FunctionType):
        if function.__code__ not in seen:  # that of a function within another is decorated again in each call
            seen[function.__code__] = Seen.of(function)
        of_function = seen[function.__code__]
        return once_of_a_kind(function, of_function, partial(jaxtyped, **options)) if of_function.hints else function
    return jaxtyped(function, **options)


@dataclass(frozen=True)
class Seen:
    """What of a function is checked, and what it was given and returned when it was."""

    hints: dict[str, Any]
    """Annotations that speak of arrays."""
    positional: tuple[str, ...]
    """The parameters that can be given by their place."""
    kinds: set[Hashable] = field(default_factory=set)

    @classmethod
    def of(cls, function: FunctionType) -> Seen:
        parameters = signature(function).parameters.values()
        by_place = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        return cls(
            {name: hint for name, hint in known_hints(function).items() if holds_arrays(hint)},
            tuple(each.name for each in parameters if each.kind in by_place),
        )

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        """Return all that a check sees of what a function is given."""
        n = len(self.positional)
        return (
            *[kind(value) for name, value in zip(self.positional, args, strict=False) if name in self.hints],
            *map(kind, args[n:]),
            *[(name, kind(value)) for name, value in kwargs.items() if name in self.hints],
        )


seen: dict[CodeType, Seen] = {}


def known_hints(function: FunctionType) -> dict[str, Any]:
    """Return a function's annotations but for those with unknown names, which jaxtyping leaves out too."""
    hints = {}
    for name, annotation in function.__annotations__.items():
        with suppress(NameError):
            alone = SimpleNamespace(__annotations__={name: annotation})
            hints |= get_type_hints(alone, function.__globals__, include_extras=True)
    return hints


def once_of_a_kind(function: FunctionType, of_function: Seen, jaxtyped: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with what it is given and returns checked, once for all that is alike in `kind`."""
    returned = local()

    def call(*args: Any, **kwargs: Any) -> Any:
        held = vars(returned)
        return held.pop("result") if held else function(*args, **kwargs)

    @cache
    def checked_call() -> Callable[..., Any]:
        return jaxtyped(annotated_as(function, call))

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        given = of_function.given(args, kwargs)
        if given in of_function.kinds:
            result = function(*args, **kwargs)
            if (given, kind(result)) in of_function.kinds:
                return result
            returned.result = result
        result = checked_call()(*args, **kwargs)
        of_function.kinds.update((given, (given, kind(result))))
        return result

    return wrapper


def annotated_as(function: FunctionType, other: FunctionType) -> FunctionType:
    """Return another function with the annotations of this one, whose names are looked for where this one stands."""
    twin = FunctionType(other.__code__, function.__globals__, closure=other.__closure__)
    twin.__signature__ = signature(function)  # type: ignore[attr-defined]
    twin.__name__, twin.__qualname__, twin.__module__ = function.__name__, function.__qualname__, function.__module__
    return twin


def kind(value: Any) -> Hashable:
    """Return all that a check sees of a value."""
    if isinstance(value, ARRAYS):
        return type(value), value.dtype, value.shape
    if isinstance(value, (tuple, list)):
        return type(value), *map(kind, value)
    if isinstance(value, Mapping):
        return type(value), *((kind(key), kind(each)) for key, each in value.items())
    return value if isinstance(value, str) else type(value)


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
