"""Laws on the package as a whole: what it imports, from where, and what it costs others."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_highway
from projects import FLOW, Write

PACKAGE = Path(pytest_highway.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """`toolbox.log` for a file, the package itself being an empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at any depth of its code, by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            inside = [f"{base}.{alias.name}" for alias in node.names]
            files = [PACKAGE.parent.joinpath(*name.split(".")) for name in inside]
            found = [file.with_suffix(".py").exists() or file.is_dir() for file in files]
            yield from (name if is_module else base for name, is_module in zip(inside, found, strict=True))


def importers(module: str) -> list[str]:
    """Who in the package imports a module, or one inside it."""
    return [
        name_of(path)
        for path in MODULES
        if any(f"{each}.".startswith(f"{module}.") for each in imports(path))
    ]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_imports_the_insides_of_pytest(path: Path) -> None:
    assert [each for each in imports(path) if each.split(".")[0] == "_pytest"] == []


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("pytest", {"hookspecs", "items", "marks", "plugin", "registries", "updating"}),
        ("pluggy", {"registries"}),
        ("time", {"clock", "toolbox.process"}),
        ("httpx", {"http_stub", "toolbox.fetch", "exceptions", "stubs"}),
        ("respx", {"http_stub"}),
        ("yaml", {"document", "yaml_source", "yaml_text", "yaml_nodes", "yaml_edit"}),
        ("random", set()),
        ("logging", set()),
    ],
)
def test_few_modules_import_what_binds_or_costs(module: str, allowed: set[str]) -> None:
    assert set(importers(module)) - allowed == set()


# --- floors --------------------------------------------------------------------------------------
