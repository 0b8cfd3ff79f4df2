"""The layout of the code follows its rules; each test is one rule.

Layers, which package may import which, are contracts of import-linter in pyproject.toml.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from tests.support.paths import ROOT

PACKAGES = ("app", "pool")
MOST_ENTRIES = 15
"""About a dozen. The roots have a package for each layer instead."""
ENGLISH = ("app", "pool", "screenshots", "tests")
"""Folders whose docstrings and comments are checked for plain English."""
RIDDLE = re.compile(
    r"(?:^|(?<=[.:;] ))(?:Who|Whoever|Whose|Whom|Nobody|Everybody|Somebody|Whatever"
    r"|What (?!is the|are the)\w+)\b"
    r"|(?<=[.:;] )(?:who|whoever|whose|whom|nobody|everybody|somebody|whatever)\b",
)
"""A sentence, or a part after a colon or semicolon, without a subject that names a thing."""
VAGUE = re.compile(r"_*(?:told|said|asked|kept|known|done|good|begin)")
"""Names of functions and classes that do not say what happens to what."""
VAGUE_TEST = re.compile(
    r"_(?:who|whoever|whom|whose|what|whatever|nobody|nobodys|everybody|somebody|anybody"
    r"|tells|told|says|said|asks|asked|kept|had)(?=_|$)",
)
"""Words in names of tests that stand for the unit, its condition or the result."""


def sources(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(found)


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


def cycles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or not."""
    below = {module: graph.find_downstream_modules(module) for module in graph.modules}
    groups = {
        frozenset(other for other in below[module] if module in below[other]) | {module}
        for module in graph.modules
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


def entries(folder: Path) -> list[str]:
    """Return the modules, with their style sheets, and the packages of a folder."""
    names = {path.stem for path in folder.iterdir() if path.suffix in ("", ".py", ".tcss")}
    return sorted(names - {"__init__", "__pycache__"})


def prose(file: Path) -> Iterator[tuple[int, str]]:
    """Yield docstrings, strings under fields, and comments, each with its line."""
    text = file.read_text()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            continue
        if isinstance(node.value.value, str):
            yield node.lineno, " ".join(node.value.value.split())
    lines = text.splitlines()
    block: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip().startswith("# "):
            block.append(line.strip()[2:])
        elif block:
            yield number - len(block), " ".join(block)
            block = []


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_imports_between_test_modules_are_refused() -> None:
    found = [
        f"{relative(file)}: {name}"
        for file in sources("tests")
        for name in imports_of(file)
        if is_test_module(name)
    ]
    assert not found, "\n".join(["move what is shared to tests/support:", *found])


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    assert cycles(graph) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_root_of_a_package_has_at_most_four_files(package: str) -> None:
    files = [path.name for path in (ROOT / package).iterdir() if path.is_file()]
    assert len(files) <= 4, files


def test_folders_have_few_entries() -> None:
    folders = {file.parent for file in sources(*PACKAGES)} - {ROOT / name for name in PACKAGES}
    found = {relative(folder): entries(folder) for folder in sorted(folders)}
    assert {name: len(all_) for name, all_ in found.items() if len(all_) > MOST_ENTRIES} == {}


def test_paths_in_the_architecture_page_exist() -> None:
    page = (ROOT / "pool" / "ARCHITECTURE.md").read_text()
    _, _, table = page.partition("\n## Where do I change")
    assert table, "the table has its heading"
    paths = re.findall(r"`((?:app|pool|tests|screenshots)[\w./]*)`", table.partition("\n## ")[0])
    assert len(paths) > 10
    missing = [path for path in paths if not exists(path)]
    assert missing == []


def exists(path: str) -> bool:
    """Tell whether a path, or the module or package of a dotted name, is in the repository."""
    dotted = ROOT / path.replace(".", "/")
    return (ROOT / path).exists() or dotted.is_dir() or dotted.with_suffix(".py").exists()


def test_sentences_have_a_subject_that_names_a_thing() -> None:
    found = [
        f"{relative(file)}:{line}: {match.group()}: {text[match.start() : match.start() + 80]}"
        for file in sources(*ENGLISH)
        for line, text in prose(file)
        for match in RIDDLE.finditer(text)
    ]
    assert not found, "\n".join([f"{len(found)} sentences", *found])


def test_names_of_functions_are_not_vague() -> None:
    found = [
        f"{relative(file)}:{node.lineno}: {node.name}"
        for file in sources(*ENGLISH)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if VAGUE.fullmatch(node.name)
    ]
    assert not found, "\n".join([f"{len(found)} names", *found])


def test_names_of_tests_have_a_unit_and_a_result() -> None:
    found = [
        f"{relative(file)}:{node.lineno}: {node.name}"
        for file in sources("tests")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and VAGUE_TEST.search(node.name)
    ]
    assert not found, "\n".join([f"{len(found)} names", *found])


def test_top_level_has_only_the_folders_and_files_of_the_project() -> None:
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = {line.partition("/")[0] for line in done.stdout.splitlines()}
    assert {name for name in names if not name.startswith(".")} <= {
        "LICENSE", "README.md", "app", "pool", "pyproject.toml", "requirements.lock",
        "screenshots", "tests",
    }  # fmt: skip
