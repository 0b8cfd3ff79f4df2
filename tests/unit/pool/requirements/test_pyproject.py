"""Dependency groups and a project's own dependencies, as a pyproject.toml has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from pool.common.errors import RequirementsFileError
from pool.requirements.pyproject import parse_group, read_dependencies, read_dependency_group
from pool.requirements.request import RequirementSpec
from pool.requirements.target import TreeTarget
from tests.support.makers import make_tree

GROUPS = """
[dependency-groups]
Test = ["pytest>=8", {include-group = "type_ing"}, "six[x]; python_version > '3'"]
type-ing = ["mypy", "pytest>=8"]
a = [{include-group = "b"}]
b = [{include-group = "a"}]
lost = [{include-group = "gone"}]
bad = ["six=1", "attrs=1"]
shape = "six"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text)
    return path


def names(wishes: tuple[RequirementSpec, ...] | None) -> list[str]:
    assert wishes is not None
    return [str(wish.target.label) for wish in wishes]


@pytest.mark.parametrize(
    ("text", "path", "group"),
    [
        ("test", "pyproject.toml", "test"),
        ("sub/pyproject.toml:test", "sub/pyproject.toml", "test"),
        ("/a:b/pyproject.toml:test", "/a:b/pyproject.toml", "test"),
    ],
)
def test_a_group_is_named_with_or_without_its_file(text: str, path: str, group: str) -> None:
    assert parse_group(text) == (Path(path), group)


def test_a_file_of_another_name_is_refused() -> None:
    with pytest.raises(RequirementsFileError, match=r"must be a pyproject\.toml") as caught:
        parse_group("setup.cfg:test")
    assert caught.value.exit_code == 2


def test_a_group_adds_its_included_groups(tmp_path: Path) -> None:
    path = write(tmp_path, GROUPS)
    wishes = read_dependency_group(path, "tEST")
    assert names(wishes) == ["pytest>=8", "mypy", 'six[x]; python_version > "3"']
    assert {wish.origin for wish in wishes} == {f"{path} [dependency-groups] tEST"}


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        ("a", "a -> b, b -> a"),
        ("lost", "'gone' not found"),
        ("shape", "a string rather than a list"),
    ],
)
def test_invalid_groups_are_reported(tmp_path: Path, group: str, reason: str) -> None:
    with pytest.raises(RequirementsFileError) as caught:
        read_dependency_group(write(tmp_path, GROUPS), group)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/pyproject.toml [dependency-groups] {group}: ")


def test_several_errors_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        read_dependency_group(write(tmp_path, GROUPS), "bad")
    assert len(caught.value.exceptions) == 2
    assert all("\n" not in str(one) for one in caught.value.exceptions)


def test_an_unknown_group_lists_the_existing_groups(tmp_path: Path) -> None:
    path = write(tmp_path, GROUPS)
    with pytest.raises(RequirementsFileError, match="has no dependency group 'tests'") as caught:
        read_dependency_group(path, "tests")
    assert caught.value.hint.startswith("it has: Test, type-ing, a, b,")
    with pytest.raises(RequirementsFileError) as caught:
        read_dependency_group(write(tmp_path, ""), "test")
    assert caught.value.hint == "it has no [dependency-groups]"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[", "not valid TOML"), ("dependency-groups = 1", "dependency-groups must be a table")],
)
def test_an_invalid_file_is_reported(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(RequirementsFileError, match=reason):
        read_dependency_group(write(tmp_path, text), "test")


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RequirementsFileError, match="no such file or directory"):
        read_dependency_group(tmp_path / "pyproject.toml", "test")


def test_duplicate_names_are_reported(tmp_path: Path) -> None:
    with pytest.raises(RequirementsFileError, match="Duplicate"):
        read_dependency_group(write(tmp_path, "[dependency-groups]\na_b = []\na-b = []\n"), "a.b")


def test_static_dependencies_are_known(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "other")
    text = f"""
        [project]
        name = "a"
        dependencies = ["six>=1", "other[x] @ {tree.as_uri()}"]
        [project.optional-dependencies]
        Some_Extra = ["attrs"]
    """
    write(tmp_path, text)
    (tmp_path / "six").mkdir()
    (tmp_path / "six" / "setup.py").touch()
    found = read_dependencies(tmp_path)
    assert found.required is not None
    assert names(found.required)[0] == "six>=1"
    assert found.required[1].target == TreeTarget(path=tree)
    assert found.required[1].extras == {"x"}
    assert found.required[0].origin == f"{tmp_path}/pyproject.toml [project] dependencies"
    assert found.optional is not None
    assert names(found.optional[canonicalize_name("some-extra")]) == ["attrs"]


def test_none_written_are_none(tmp_path: Path) -> None:
    write(tmp_path, '[project]\nname = "a"\n')
    found = read_dependencies(tmp_path)
    assert found.required == ()
    assert found.optional == {}


def test_dynamic_dependencies_are_not_known(tmp_path: Path) -> None:
    assert read_dependencies(tmp_path).required is None
    write(tmp_path, '[project]\nname = "a"\ndynamic = ["dependencies"]\n')
    found = read_dependencies(tmp_path)
    assert (found.required, found.optional) == (None, {})
    write(tmp_path, "[build-system]\nrequires = []\n")
    assert read_dependencies(tmp_path).optional is None


@pytest.mark.parametrize("dependencies", ['"six"', "[1]", '["six=1"]', '["./six"]'])
def test_invalid_dependencies_are_reported(tmp_path: Path, dependencies: str) -> None:
    write(tmp_path, f'[project]\nname = "a"\ndependencies = {dependencies}\n')
    with pytest.raises(RequirementsFileError, match=r"\[project\] dependencies: ") as caught:
        read_dependencies(tmp_path)
    assert "\n" not in str(caught.value)
