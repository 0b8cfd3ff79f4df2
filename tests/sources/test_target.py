"""What the words of a command line are taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pool.errors import TargetError
from pool.sources.target import RequirementTarget, SdistTarget, TreeTarget, parse_target
from tests.makers import make_sdist, make_tree, make_wheel

if TYPE_CHECKING:
    from pathlib import Path


def refusal(text: str, cwd: Path) -> str:
    with pytest.raises(TargetError) as caught:
        parse_target(text, cwd)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("text", ["./a-1.0", "a-1.0", "a-1.0/", "../x/a-1.0", "link"])
def test_a_project_is_a_tree_however_it_is_named(tmp_path: Path, text: str) -> None:
    cwd = tmp_path / "x"
    tree = make_tree(cwd, "a")
    (cwd / "link").symlink_to(tree)
    target = parse_target(text, cwd)
    assert target == TreeTarget(path=tree)
    assert target.label == text


def test_a_tree_with_only_a_setup_py_is_one(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "setup.py").touch()
    assert parse_target("./t", tmp_path) == TreeTarget(path=tmp_path / "t")


def test_an_archive_is_an_sdist(tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path, "a")
    assert parse_target(sdist.name, tmp_path) == SdistTarget(path=sdist)
    assert parse_target(str(sdist), tmp_path / "elsewhere") == SdistTarget(path=sdist)


@pytest.mark.parametrize("text", ["six", "six==1.17.0", "a[b]>=1,<2", 'six; python_version > "3"'])
def test_other_words_are_requirements(tmp_path: Path, text: str) -> None:
    assert isinstance(parse_target(text, tmp_path), RequirementTarget)


def test_a_folder_that_is_no_project_does_not_hide_a_requirement(tmp_path: Path) -> None:
    (tmp_path / "six").mkdir()
    assert isinstance(parse_target("six", tmp_path), RequirementTarget)
    assert refusal("./six", tmp_path).startswith("./six: not a project")


@pytest.mark.parametrize(
    "text", ["./liib", "liib/x", "six-1.0.tar.gz", "~/nothing/here", ".x", "a\0/b"]
)
def test_a_path_that_is_not_there_is_said(tmp_path: Path, text: str) -> None:
    assert refusal(text, tmp_path) == f"{text}: no such file or directory"


def test_files_that_are_no_sdist_are_said(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "a")
    (tmp_path / "setup.py").touch()
    assert "is a wheel already" in refusal(wheel.name, tmp_path)
    assert "not a source archive" in refusal("setup.py", tmp_path)
    assert "neither a folder nor a file" in refusal("/dev/null", tmp_path)


@pytest.mark.parametrize("text", ["six=", "six==", "a b", "==1", "-x", "six>=1;"])
def test_words_that_are_nothing_are_said(tmp_path: Path, text: str) -> None:
    message = refusal(text, tmp_path)
    assert message.startswith(f"{text!r}: neither a path that is there nor a requirement: ")


def test_empty_and_endless_words_are_said(tmp_path: Path) -> None:
    assert "empty" in refusal(" ", tmp_path)
    assert isinstance(parse_target("a" * 300, tmp_path), RequirementTarget)
    assert "name too long" in refusal("./" + "a" * 300, tmp_path)
    assert "no such user" in refusal("~nobody-of-that-name/x", tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "https://me:secret@x.test/a-1.tar.gz",
        "git+https://me:secret@x.test/a.git",
        "a @ https://me:secret@x.test/a-1.tar.gz",
        "a[b]@https://me:secret@x.test/a-1.tar.gz",
        "a @ ./here",
        "file:///x/a-1.tar.gz",
    ],
)
def test_urls_are_refused_without_their_credentials(tmp_path: Path, text: str) -> None:
    message = refusal(text, tmp_path)
    assert "URLs cannot be built from yet" in message
    assert "secret" not in message
