"""`import pool` is cheap, and every exported name exists at run time and for type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import pool

COSTLY = ("asyncio", "httpx", "psutil", "sqlite3", "ssl")
TREE = ast.parse(Path(pool.__file__).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "statement",
    [
        "import pool",
        "from pool import events",
        "pool.Settings",
        "pool.MAX_BUILDS",
        "pool.PoolError, pool.os_error_text",
        "pool.SystemClock",
        "pool.clean_line, pool.redact_urls, pool.parse_size",
        "pool.Request, pool.parse_requirement",
    ],
)
def test_a_light_name_loads_no_costly_module(statement: str) -> None:
    code = f"import sys, pool\n{statement}\nprint(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(COSTLY) & set(loaded)


def test_every_export_is_there() -> None:
    assert dir(pool) == sorted(set(dir(pool)))
    for name in pool.__all__:
        assert getattr(pool, name) is not None, name
        assert name in dir(pool)


def test_type_checkers_see_the_same_object_of_each_export() -> None:
    (guard, *_) = (node for node in TREE.body if isinstance(node, ast.If))
    imported = {
        alias.name: node.module
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported.pop("events") == "pool"
    assert {*imported, "events"} == set(pool.__all__)
    for name, module in imported.items():
        assert getattr(pool, name) is getattr(import_module(str(module)), name)


def test_event_types_are_attributes_of_the_package() -> None:
    types = import_module("pool.events.types")
    assert pool.events.BuildStarted is types.BuildStarted
    assert pool.events.EVENT_TYPES is types.EVENT_TYPES


@pytest.mark.parametrize("module", ["pool", "pool.events"])
def test_an_unknown_name_is_an_attribute_error(module: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(import_module(module), "no_such_name")  # noqa: B009 - mypy knows that it is missing
