"""Lock files: what of them an interpreter gets, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pool.common.errors import LockFileError
from pool.requirements.pylock import read_lock
from pool.requirements.request import RequirementSpec
from pool.requirements.target import (
    GitTarget,
    RequirementTarget,
    SdistTarget,
    TreeTarget,
    UrlTarget,
    WheelTarget,
)
from tests.support.index_files import INTERPRETER, FakeInterpreter
from tests.support.makers import make_sdist, make_tree, make_wheel

HASHES = '{sha256 = "%s"}' % ("0A" * 32)
HEAD = 'lock-version = "1.0"\ncreated-by = "hand"\n'
COMMIT = "0123456789" * 4


def write(folder: Path, packages: str, head: str = HEAD) -> Path:
    path = folder / "pylock.toml"
    path.write_text(head + packages)
    return path


def read(folder: Path, packages: str, head: str = HEAD) -> tuple[RequirementSpec, ...]:
    return read_lock(write(folder, packages, head), INTERPRETER)


def refusal(folder: Path, packages: str, head: str = HEAD) -> str:
    with pytest.raises(LockFileError) as caught:
        read(folder, packages, head)
    message = str(caught.value)
    assert "\n" not in message
    assert "secret" not in message
    assert message.startswith(f"{folder}/pylock.toml: ")
    return message.removeprefix(f"{folder}/pylock.toml: ")


def package(name: str, rest: str) -> str:
    return f'[[packages]]\nname = "{name}"\n{rest}\n'


def simple(name: str, marker: str = "") -> str:
    rest = (
        f'version = "1.0"\nsdist = {{url = "https://x.test/{name}-1.0.tar.gz", hashes = {HASHES}}}'
    )
    return package(name, rest + (f'\nmarker = "{marker}"' if marker else ""))


def names(wishes: tuple[RequirementSpec, ...]) -> list[str]:
    return [str(wish.target.label) for wish in wishes]


def test_a_package_of_an_index_is_a_pin_with_files(tmp_path: Path) -> None:
    wheel, absent = make_wheel(tmp_path / "w", "a"), "a-1.0-py3-none-any.whl"
    rest = f"""
        version = "1.0"
        sdist = {{url = "https://x.test/dl/a-1.0.tar.gz", size = 12, hashes = {HASHES}}}
        wheels = [
            {{name = "{wheel.name}", path = "w/{wheel.name}", hashes = {HASHES}}},
            {{url = "https://x.test/{absent}", path = "gone/{absent}", hashes = {HASHES}}},
        ]
    """
    (wish,) = read(tmp_path, package("a", rest))
    assert isinstance(wish.target, RequirementTarget)
    assert str(wish.target.parsed) == "a==1.0"
    assert wish.origin == str(tmp_path / "pylock.toml")
    sdist, local, remote = wish.files
    assert (sdist.kind, sdist.url, sdist.size) == ("sdist", "https://x.test/dl/a-1.0.tar.gz", 12)
    assert (sdist.filename, sdist.version, sdist.sha256) == ("a-1.0.tar.gz", "1.0", "0a" * 32)
    assert (local.kind, local.url) == ("wheel", wheel.as_uri())
    assert remote.url == f"https://x.test/{absent}"


def test_a_package_without_version_is_a_name_with_files(tmp_path: Path) -> None:
    rest = f'wheels = [{{url = "https://x.test/a-2.0-py3-none-any.whl", hashes = {HASHES}}}]'
    (wish,) = read(tmp_path, package("a", rest))
    assert names((wish,)) == ["a"]
    assert wish.files[0].version == "2.0"


def test_archives_trees_and_repositories_are_targets(tmp_path: Path) -> None:
    sdist, wheel = make_sdist(tmp_path, "b"), make_wheel(tmp_path, "c")
    tree = make_tree(tmp_path / "trees", "d")
    text = "\n".join(
        [
            package(
                "a", f'archive = {{url = "https://me:secret@x.test/a.zip", hashes = {HASHES}}}'
            ),
            package("b", f'archive = {{path = "{sdist.name}", hashes = {HASHES}}}'),
            package("c", f'archive = {{path = "./{wheel.name}", hashes = {HASHES}}}'),
            package("d", 'directory = {path = "trees", subdirectory = "d-1.0", editable = true}'),
            package(
                "e",
                f'vcs = {{type = "git", url = "https://x.test/e", commit-id = "{COMMIT}", '
                'requested-revision = "main", subdirectory = "s t"}',
            ),
            package("f", f'vcs = {{type = "git", path = "f", commit-id = "{COMMIT}"}}'),
            package(
                "g",
                f'archive = {{path = "{sdist.name}", subdirectory = "s", hashes = {HASHES}}}',
            ),
        ]
    )
    wishes = read(tmp_path, text)
    assert [wish.target for wish in wishes] == [
        UrlTarget(url="https://me:secret@x.test/a.zip", name="a"),
        SdistTarget(path=sdist),
        WheelTarget(path=wheel),
        TreeTarget(path=tree),
        GitTarget(url="https://x.test/e", reference=COMMIT, name="e", subdirectory="s t"),
        GitTarget(url=(tmp_path / "f").as_uri(), reference=COMMIT, name="f"),
        UrlTarget(url=sdist.as_uri(), name="g", subdirectory="s"),
    ]
    assert [wish.editable for wish in wishes] == [False, False, False, True, False, False, False]
    assert wishes[0].hashes == wishes[1].hashes == {f"sha256:{'0a' * 32}"}
    assert names(wishes)[0] == "a @ https://***@x.test/a.zip"
    assert names(wishes)[3] == "trees"


def test_markers_extras_and_groups_select(tmp_path: Path) -> None:
    head = HEAD + (
        'extras = ["fast"]\ndependency-groups = ["Dev_Tools", "docs"]\ndefault-groups = ["docs"]\n'
    )
    text = (
        simple("a", "sys_platform == 'win32'")
        + simple("b", "sys_platform == 'linux'")
        + simple("c", "'fast' in extras")
        + simple("d", "'Dev_Tools' in dependency_groups")
        + simple("e", "'docs' in dependency_groups")
    )
    path = write(tmp_path, text, head)
    assert names(read_lock(path, INTERPRETER)) == ["b==1.0", "e==1.0"]
    more = read_lock(path, INTERPRETER, extras=["Fast"], groups=["dev-tools"])
    assert names(more) == ["b==1.0", "c==1.0", "d==1.0", "e==1.0"]
    for asked in ({"extras": ["slow"]}, {"groups": ["slow"]}):
        with pytest.raises(LockFileError, match="'slow'") as caught:
            read_lock(path, INTERPRETER, **asked)
        assert caught.value.hint.startswith("it has: ")


def test_a_lock_for_others_is_refused(tmp_path: Path) -> None:
    for line, reason in [
        ('requires-python = ">=3.12"', "requirement '>=3.12'"),
        ("environments = [\"sys_platform == 'win32'\"]", "any of the environments"),
    ]:
        message = refusal(tmp_path, simple("a"), f"{HEAD}{line}\n")
        assert message.startswith("not for Python 3.11.7 here: ")
        assert reason in message
    wheel = f'wheels = [{{url = "https://x.test/a-1-py2-none-any.whl", hashes = {HASHES}}}]'
    assert "No wheel found" in refusal(tmp_path, package("a", wheel))
    assert "Multiple packages" in refusal(tmp_path, simple("a") + simple("a"))
    older = FakeInterpreter(
        python_version="3.9.1",
        environment={**INTERPRETER.environment, "python_full_version": "3.9.1"},
    )
    path = write(tmp_path, simple("a"), f'{HEAD}requires-python = ">=3.10"\n')
    with pytest.raises(LockFileError, match=r"3\.9\.1"):
        read_lock(path, older)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[", "not valid TOML"),
        (
            'lock-version = "1.0"\n',
            "not a lock file (PEP 751): Missing required value in 'created-by'",
        ),
        ('lock-version = "2.0"\ncreated-by = "x"\npackages = []\n', "version 2.0 is not supported"),
        (HEAD + package("A", ""), "not normalized in 'packages[0].name'"),
        (HEAD + package("a", ""), "Exactly one of vcs, directory, archive"),
        (
            HEAD
            + package("a", f'sdist = {{url = "https://x.test/b-1.tar.gz", hashes = {HASHES}}}'),
            "not consistent with package name",
        ),
        (
            HEAD + package("a", f'archive = {{url = "what", hashes = {HASHES}}}'),
            "a: what: not a URL",
        ),
        (
            HEAD + package("a", f'archive = {{path = "a.zip", hashes = {HASHES}}}'),
            "a: a.zip: no such file or directory",
        ),
        (
            HEAD + package("a", f'archive = {{path = "tree-1.0", hashes = {HASHES}}}'),
            "is a folder, not an archive",
        ),
        (HEAD + package("a", 'directory = {path = "gone"}'), "a: gone: no such file or directory"),
        (HEAD + package("a", 'directory = {path = "."}'), "not a project"),
        (HEAD + package("a", 'directory = {path = "s-1.0.tar.gz"}'), "is not a folder"),
        (
            HEAD + package("a", 'vcs = {type = "hg", url = "https://x.test/a", commit-id = "0"}'),
            "hg repositories cannot be built from",
        ),
        (
            HEAD
            + package(
                "a", 'vcs = {type = "git", url = "https://me:secret@x.test/a", commit-id = "-x"}'
            ),
            "no commit, tag or branch",
        ),
    ],
)
def test_invalid_pylock_names_the_error(tmp_path: Path, text: str, reason: str) -> None:
    make_tree(tmp_path, "tree")
    make_sdist(tmp_path, "s")
    assert reason in refusal(tmp_path, text, "")


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LockFileError, match="no such file or directory") as caught:
        read_lock(tmp_path / "pylock.toml", INTERPRETER)
    assert caught.value.exit_code == 2
