"""The kinds of target that arguments of a command line are parsed into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pool.common.errors import TargetError
from pool.requirements.request import parse_requirement
from pool.requirements.target import (
    GitTarget,
    RequirementTarget,
    SdistTarget,
    TreeTarget,
    UrlTarget,
    WheelTarget,
    parse_target,
    parse_target_and_extras,
)
from tests.support.makers import make_sdist, make_tree, make_wheel

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
def test_a_missing_path_is_reported(tmp_path: Path, text: str) -> None:
    assert refusal(text, tmp_path) == f"{text}: no such file or directory"


def test_files_that_are_no_sdist_are_reported(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "a.whl").touch()
    assert "not the name of a wheel" in refusal("a.whl", tmp_path)
    assert "not a source archive" in refusal("setup.py", tmp_path)
    assert "neither a folder nor a file" in refusal("/dev/null", tmp_path)


@pytest.mark.parametrize("text", ["six=", "six==", "a b", "==1", "-x", "six>=1;"])
def test_invalid_words_are_reported(tmp_path: Path, text: str) -> None:
    message = refusal(text, tmp_path)
    assert message.startswith(f"{text!r}: neither an existing path nor a requirement: ")


def test_empty_and_overlong_words_are_reported(tmp_path: Path) -> None:
    assert "empty" in refusal(" ", tmp_path)
    assert isinstance(parse_target("a" * 300, tmp_path), RequirementTarget)
    assert "name too long" in refusal("./" + "a" * 300, tmp_path)
    assert "no such user" in refusal("~nobody-of-that-name/x", tmp_path)


def test_a_wheel_is_one(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "a")
    assert parse_target(wheel.name, tmp_path) == WheelTarget(path=wheel)


def test_a_path_may_have_extras_and_a_marker(tmp_path: Path) -> None:
    tree, sdist = make_tree(tmp_path, "a"), make_sdist(tmp_path, "b")
    named = parse_target_and_extras('./a-1.0[Some.Extra, other] ; python_version > "3"', tmp_path)
    assert named.target == TreeTarget(path=tree)
    assert named.extras == {"some-extra", "other"}
    assert str(named.marker) == 'python_version > "3"'
    named = parse_target_and_extras(f"{sdist.name}[x]", tmp_path)
    assert named.target == SdistTarget(path=sdist)
    assert named.extras == {"x"}


def test_brackets_and_semicolons_may_be_of_the_name(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "a").rename(tmp_path / "a;b[c]")
    named = parse_target_and_extras("./a;b[c]", tmp_path)
    assert (named.target, named.extras, named.marker) == (TreeTarget(path=tree), frozenset(), None)


def test_in_files_a_bare_word_is_no_folder(tmp_path: Path) -> None:
    make_tree(tmp_path, "a").rename(tmp_path / "six")
    assert isinstance(parse_target("six", tmp_path), TreeTarget)
    assert isinstance(parse_target("six[x]", tmp_path), TreeTarget)
    named = parse_target_and_extras("six", tmp_path, bare_folders=False)
    assert isinstance(named.target, RequirementTarget)


DIGEST = "0f" * 32


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://x.test/a-1.tar.gz", UrlTarget(url="https://x.test/a-1.tar.gz")),
        (
            f"https://x.test/a-1.tar.gz?b=c#sha256={DIGEST}&subdirectory=s/t&egg=a",
            UrlTarget(url="https://x.test/a-1.tar.gz?b=c", name="a", subdirectory="s/t"),
        ),
        (
            "a[b] @ https://me:pass@x.test/a-1-py3-none-any.whl",
            UrlTarget(url="https://me:pass@x.test/a-1-py3-none-any.whl", name="a"),
        ),
        ("a[b]@HTTPS://x.test/a.zip", UrlTarget(url="https://x.test/a.zip", name="a")),
        ("git+https://x.test/a.git", GitTarget(url="https://x.test/a.git")),
        (
            "git+ssh://git@x.test/a.git@v1/b#subdirectory=s&egg=a",
            GitTarget(url="ssh://git@x.test/a.git", reference="v1/b", name="a", subdirectory="s"),
        ),
        ("git+file:///srv/a@main", GitTarget(url="file:///srv/a", reference="main")),
        (
            "a @ git+https://x.test/a.git@0123abc",
            GitTarget(url="https://x.test/a.git", reference="0123abc", name="a"),
        ),
    ],
)
def test_urls_are_taken_apart(tmp_path: Path, text: str, target: UrlTarget | GitTarget) -> None:
    assert parse_target(text, tmp_path) == target


def test_options_beside_a_url_are_preserved(tmp_path: Path) -> None:
    url = f"https://x.test/a-1.tar.gz#sha256={DIGEST.upper()}&sha512=ab"
    named = parse_target_and_extras(f"a[B_c] @ {url} ; python_version > '3'", tmp_path)
    assert named.extras == {"b-c"}
    assert named.hashes == {f"sha256:{DIGEST}", "sha512:ab"}
    assert str(named.marker) == 'python_version > "3"'
    named = parse_target_and_extras(f"{url}; python_version > '3'", tmp_path)
    assert named.hashes == {f"sha256:{DIGEST}", "sha512:ab"}
    assert str(named.marker) == 'python_version > "3"'
    assert parse_target_and_extras("git+https://x.test/a#egg=a[b]", tmp_path).extras == {"b"}


def test_labels_have_no_credentials(tmp_path: Path) -> None:
    for text in ("a @ https://me:secret@x.test/a.zip", "git+https://me:secret@x.test/a.git"):
        assert parse_target(text, tmp_path).label == text.replace("me:secret", "***")


def test_file_urls_resolve_to_their_path(tmp_path: Path) -> None:
    tree, sdist = make_tree(tmp_path / "my trees", "a"), make_sdist(tmp_path, "b")
    wheel = make_wheel(tmp_path, "c")
    for text in (tree.as_uri(), f"a @ {tree.as_uri()}", "file:my%20trees/a-1.0"):
        assert parse_target(text, tmp_path) == TreeTarget(path=tree)
    inner = parse_target(f"{(tmp_path / 'my trees').as_uri()}#subdirectory=a-1.0", tmp_path)
    assert inner == TreeTarget(path=tree)
    named = parse_target_and_extras(f"b[x] @ {sdist.as_uri()}#sha256={DIGEST}", tmp_path)
    assert isinstance(named.target, SdistTarget)
    assert named.target == SdistTarget(path=sdist)
    assert named.hashes == {f"sha256:{DIGEST}"}
    assert named.target.name == "b"
    assert parse_target(f"file://localhost{wheel}", tmp_path) == WheelTarget(path=wheel)
    part = parse_target(f"{sdist.as_uri()}#subdirectory=s", tmp_path)
    assert part == UrlTarget(url=sdist.as_uri(), subdirectory="s")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hg+https://me:secret@x.test/a", "hg repositories cannot be built from"),
        ("a @ svn+ssh://me:secret@x.test/a", "svn repositories cannot be built from"),
        ("ftp://me:secret@x.test/a.zip", "ftp: is not a kind of URL"),
        ("git+ext://me:secret@x.test/a", "git+ext: is not a kind of URL"),
        ("git://me:secret@x.test/a", "not a URL of a file"),
        ("git@x.test:me/a.git", "not a URL"),
        ("https://me:secret@x.test/a.git", "a repository, not a file"),
        ("https://me:secret@x.test/a.whl", "not the name of a wheel"),
        ("https://me:secret@x.test/a.zip#egg=a==", "is not a name"),
        ("https://me:secret@x.test/a.zip#sha256=none", "must be a hexadecimal digest"),
        ("https://me:secret@x.test/a.zip#subdirectory=../b", "leads out of the source"),
        ("https://me:secret@x.test/a.zip ; what", "its marker is not valid"),
        ("https://[::1/a.zip", "not a URL"),
        ("https:///a.zip", "names no host"),
        ("git+https://me:secret@x.test/a@", "no commit, tag or branch"),
        ("git+https://me:secret@x.test/a@--upload-pack=x", "no commit, tag or branch"),
        ("file://elsewhere/a.zip", "a file of this machine"),
        ("file:///x/a-1.tar.gz", "no such file or directory"),
        ("a @ ./here", "no such file or directory"),
        ("a @ ", "neither an existing path"),
    ],
)
def test_urls_that_cannot_be_built_from_are_reported(
    tmp_path: Path, text: str, reason: str
) -> None:
    message = refusal(text, tmp_path)
    assert reason in message
    assert "secret" not in message


def test_only_folders_are_editable(tmp_path: Path) -> None:
    make_tree(tmp_path, "a")
    wish = parse_requirement(
        "a-1.0[x]", tmp_path, editable=True, bare_folders=False, origin="r.txt:1"
    )
    assert wish.editable
    assert wish.extras == {"x"}
    assert wish.origin == "r.txt:1"
    assert hash(wish) == hash(
        parse_requirement("./a-1.0[x]", tmp_path, editable=True, origin="r.txt:1")
    )
    for text, reason in [
        ("six", "only a project's folder"),
        ("git+https://x.test/a", "repository"),
    ]:
        with pytest.raises(TargetError, match=reason):
            parse_requirement(text, tmp_path, editable=True)


def test_a_reference_needs_no_spaces(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="x@y: no such file or directory"):
        parse_target("x@y", tmp_path)
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "setup.py").touch()
    assert parse_target("x@y", tmp_path) == TreeTarget(path=tmp_path / "y")
