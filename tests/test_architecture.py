"""The layout of the code follows its rules; each test is one rule."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT, TESTS


def imports_of(file: Path) -> Iterator[str]:
    """Yield the dotted name of each import of a module, at any depth in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{name.name}" for name in node.names)


def is_test_module(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "tests" and any(part.startswith("test_") for part in parts)


def test_imports_between_test_modules_are_refused() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in sorted(TESTS.rglob("*.py"))
        for name in imports_of(file)
        if is_test_module(name)
    ]
    assert not found, "\n".join(["move what is shared to tests/support:", *found])
