"""The shape of the source tree. ``python tests/test_house.py`` prints it as a table."""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
PACKAGE = "napari_emgauss"
MOST_MODULES = 15
MOST_LINES = 400


@cache
def modules() -> Mapping[str, Path]:
    """Return every module's file by its dotted name; a package goes by its own name."""
    return {name_of(path): path for path in sorted((SOURCE / PACKAGE).rglob("*.py"))}


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_names(module: ast.Module) -> Iterable[str]:
    """Yield what a module imports, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def home(name: str) -> str | None:
    """Return the module of the package that an imported name is taken from."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or None


def circles() -> list[list[str]]:
    """Return the groups of modules that import one another."""
    imports = nx.DiGraph()
    for name, path in modules().items():
        homes = {home(imported) for imported in imported_names(tree(path))}
        imports.add_edges_from((name, other) for other in homes - {None, name})
    return [sorted(group) for group in nx.strongly_connected_components(imports) if len(group) > 1]


def crowded_folders() -> dict[str, int]:
    n = Counter(str(path.parent.relative_to(SOURCE)) for path in modules().values() if path.name != "__init__.py")
    return {folder: count for folder, count in n.items() if count > MOST_MODULES}


def long_modules() -> dict[str, int]:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    return {name: count for name, count in lines.items() if count > MOST_LINES}


def shared_class_names() -> dict[str, list[str]]:
    """Return class names that more than one class has, and where."""
    homes: dict[str, list[str]] = defaultdict(list)
    for name, path in modules().items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(name)
    return {name: places for name, places in homes.items() if len(places) > 1}


def connected_when_destroyed(path: Path) -> Iterable[ast.expr]:
    """Yield what a module connects to a signal `destroyed`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".destroyed.connect"):
            yield from node.args


def called_by_timers(path: Path) -> Iterable[ast.expr]:
    """Yield what a module has called by `timer`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "timer":
            yield node.args[2]


def test_no_module_imports_itself_by_way_of_others():
    assert circles() == []


def test_no_folder_holds_more_modules_than_a_person_can_survey():
    assert crowded_folders() == {}


def test_no_module_is_longer_than_a_person_reads_at_a_time():
    assert long_modules() == {}


def test_no_two_classes_have_the_same_name():
    assert shared_class_names() == {}


@pytest.mark.parametrize("found_in", [connected_when_destroyed, called_by_timers])
def test_only_methods_are_called_when_a_widget_is_destroyed_or_by_its_timers(found_in):
    """Qt would call any other function even after Python's collector emptied it together with the widget: a crash."""
    calls = [(name, call) for name, path in modules().items() for call in found_in(path)]
    assert calls
    assert not [f"{name}: {ast.unparse(call)}" for name, call in calls if not isinstance(call, ast.Attribute)]


def test_imports_are_found_inside_functions_and_under_type_checking():
    source = "from a import b\nif TYPE_CHECKING:\n    import c.d\ndef f():\n    from e.f import g, h"
    assert set(imported_names(ast.parse(source))) == {"a.b", "c.d", "e.f.g", "e.f.h"}


def main() -> None:
    """Print every count with what exceeds it."""
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in modules().values())
    rows = [
        ("circles of imports", circles()),
        (f"folders with more than {MOST_MODULES} modules", crowded_folders()),
        (f"modules of more than {MOST_LINES} lines", long_modules()),
        ("class names used twice", shared_class_names()),
    ]
    sys.stdout.write(f"{len(modules())} modules, {lines} lines\n")
    for name, found in rows:
        sys.stdout.write(f"{name:36} {len(found)}  {found or ''}\n")


if __name__ == "__main__":
    main()
