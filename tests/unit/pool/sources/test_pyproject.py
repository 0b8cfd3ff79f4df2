"""Valid and invalid contents of pyproject.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pool.common.errors import ProjectError
from pool.sources.pyproject import LEGACY_BACKEND, LEGACY_REQUIRES, Project, read_project

if TYPE_CHECKING:
    from pathlib import Path


def project(tree: Path, text: str) -> Project:
    (tree / "pyproject.toml").write_text(text)
    return read_project(tree)


def test_all_of_it_is_read(tmp_path: Path) -> None:
    read = project(
        tmp_path,
        '[build-system]\nrequires = ["flit-core>=3"]\nbuild-backend = "b:x"\nbackend-path = ["in", "."]\n'
        '[project]\nname = "A.b"\nversion = "1.0"\n',
    )
    assert read == Project(
        name="A.b",
        version="1.0",
        requires=("flit-core>=3",),
        backend="b:x",
        backend_path=("in", "."),
    )


@pytest.mark.parametrize(
    "text", ["", "[tool.black]\n", '[project]\nname = "a"\ndynamic = ["version"]\n']
)
def test_without_build_system_it_is_setuptools(tmp_path: Path, text: str) -> None:
    read = project(tmp_path, text)
    assert (read.requires, read.backend, read.version) == (LEGACY_REQUIRES, LEGACY_BACKEND, None)


def test_backend_path_that_is_a_string_is_one_folder(tmp_path: Path) -> None:
    """flit_core 2.3.0 has it, and pip builds that."""
    (tmp_path / "pyproject.toml").write_text('[build-system]\nrequires = []\nbackend-path = "."\n')
    assert read_project(tmp_path).backend_path == (".",)


def test_without_pyproject_it_is_setuptools_if_there_is_a_setup_py(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"no pyproject\.toml and no setup\.py"):
        read_project(tmp_path)
    (tmp_path / "setup.py").touch()
    assert read_project(tmp_path) == Project(requires=LEGACY_REQUIRES, backend=LEGACY_BACKEND)


def test_a_backend_may_be_left_to_setuptools(tmp_path: Path) -> None:
    read = project(tmp_path, '[build-system]\nrequires = ["setuptools", "cython"]\n')
    assert (read.requires, read.backend) == (("setuptools", "cython"), LEGACY_BACKEND)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[build-system\n", "line 1"),
        ("\n\nx = [1,\n", "at end of document"),
        ("[build-system]\n", "has no requires"),
        ('[build-system]\nrequires = "x"\n', "list of strings"),
        ("[build-system]\nrequires = [1]\n", "list of strings"),
        ('[build-system]\nrequires = ["x=="]\n', "'x=='"),
        ("build-system = 3\n", "must be a table"),
        ("[build-system]\nrequires = []\nbuild-backend = 3\n", "must be a string"),
        ('[build-system]\nrequires = []\nbackend-path = ["../x"]\n', "outside of the tree"),
        ('[build-system]\nrequires = []\nbackend-path = ["/x"]\n', "outside of the tree"),
        ('[build-system]\nrequires = []\nbackend-path = ["out"]\n', "outside of the tree"),
        ("project = []\n", "must be a table"),
    ],
)
def test_an_invalid_pyproject_is_reported_in_one_line(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "out").symlink_to(tmp_path)
    with pytest.raises(ProjectError) as caught:
        project(tmp_path / "tree", text)
    assert str(caught.value).startswith(f"{tmp_path / 'tree' / 'pyproject.toml'}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_binary_files_and_folders_are_reported(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff")
    with pytest.raises(ProjectError, match="not valid TOML"):
        read_project(tmp_path)
    (tmp_path / "pyproject.toml").unlink()
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(ProjectError, match="is a directory"):
        read_project(tmp_path)
