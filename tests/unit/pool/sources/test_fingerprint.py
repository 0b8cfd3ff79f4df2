"""A fingerprint changes with what a build can see, and with nothing else."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pool.common.files import remove_tree
from pool.sources.fingerprint import TreeContent, fingerprint_file, fingerprint_tree, read_tree

NAMES = st.sampled_from(["a", "b", "b.py", "sub", "x y", "ü", "build", "z.egg-info"])
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.tuples(st.binary(max_size=8), st.booleans()),
    max_size=8,
).filter(lambda tree: not any(one.startswith(f"{two}/") for one in tree for two in tree))
"""Relative paths with content and whether it is executable; no file is also a folder."""


def make(root: Path, files: dict[str, tuple[bytes, bool]], *, mtime: int = 0) -> Path:
    root.mkdir(exist_ok=True)
    for name, (content, executable) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if executable else 0o644)
        os.utime(path, (mtime, mtime))
    return root


def printed(tree: Path, *ignore: Path) -> str:
    fingerprint = fingerprint_tree(tree, ignore)
    assert fingerprint is not None
    return fingerprint


@given(TREES, TREES)
@settings(deadline=None, max_examples=60)
def test_two_trees_have_one_fingerprint_where_they_are_the_same(
    one: dict[str, tuple[bytes, bool]], two: dict[str, tuple[bytes, bool]]
) -> None:
    with TemporaryDirectory() as folder:
        first, second = make(Path(folder, "1"), one), make(Path(folder, "2"), two)
        assert (printed(first) == printed(second)) == (one == two)


@given(TREES.filter(bool), st.data())
@settings(deadline=None, max_examples=60)
def test_any_change_counts_and_time_and_order_do_not(
    files: dict[str, tuple[bytes, bool]], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    content, executable = files[name]
    with TemporaryDirectory() as folder:
        before = printed(make(Path(folder, "1"), files))
        turned = dict(reversed(files.items()))
        tree = make(Path(folder, "2"), turned, mtime=10**9)
        assert printed(tree) == before
        path = tree / name
        match data.draw(st.sampled_from(["content", "mode", "name", "gone", "link"])):
            case "content":
                path.write_bytes(content + b"!")
            case "mode":
                path.chmod(0o644 if executable else 0o755)
            case "name":
                path.rename(path.with_name("other"))
            case "gone":
                path.unlink()
            case _:
                path.unlink()
                path.symlink_to("nowhere")
        assert printed(tree) != before


def test_moved_bytes_are_another_tree(tmp_path: Path) -> None:
    one = make(tmp_path / "1", {"a": (b"xy", False), "b": (b"", False)})
    two = make(tmp_path / "2", {"a": (b"x", False), "b": (b"y", False)})
    assert printed(one) != printed(two)


def test_a_large_file_counts_to_its_end(tmp_path: Path) -> None:
    one = make(tmp_path / "1", {"a": (bytes(3 << 20), False)})
    two = make(tmp_path / "2", {"a": (bytes(3 << 20) + b"!", False)})
    assert printed(one) != printed(two)


def test_an_empty_folder_counts(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {})
    before = printed(tree)
    (tree / "namespace").mkdir()
    assert printed(tree) != before


@pytest.mark.parametrize(
    "name",
    ["__pycache__/a.py", "sub/a.pyc", ".hg/store", ".tox/x", ".venv/x", "env/pyvenv.cfg"],
)
def test_files_that_no_build_reads_do_not_change_the_fingerprint(tmp_path: Path, name: str) -> None:
    tree = make(tmp_path / "tree", {"sub/a.py": (b"", False)})
    before = printed(tree)
    make(tree, {name: (b"new", False)})
    assert printed(tree) == before


@pytest.mark.parametrize("name", ["build/x", "a.egg-info/PKG-INFO", "node_modules/x", "a.so"])
def test_by_products_are_not_guessed_at(tmp_path: Path, name: str) -> None:
    tree = make(tmp_path / "tree", {})
    before = printed(tree)
    make(tree, {name: (b"new", False)})
    assert printed(tree) != before


def test_our_own_folders_in_the_tree_do_not_count(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {"a.py": (b"", False)})
    alias = tmp_path / "alias"
    alias.symlink_to(tree)
    before = printed(tree)
    make(tree, {"wheelhouse/a.whl": (b"", False)})
    assert printed(tree, alias / "wheelhouse") == before
    assert printed(alias, tree / "wheelhouse") == before
    assert printed(tree) != before


def test_wheels_in_a_tree_that_is_the_output_folder_do_not_count(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {"a.py": (b"", False)})
    before = printed(tree, tree)
    make(tree, {"a-1-py3-none-any.whl": (b"", False)})
    assert printed(tree, tree) == before
    make(tree, {"vendored/a-1-py3-none-any.whl": (b"", False)})
    assert printed(tree, tree) != before


def test_the_content_behind_a_link_to_a_file_counts(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {})
    (tree / "LICENSE").symlink_to(tmp_path / "LICENSE")
    dangling = printed(tree)
    (tmp_path / "LICENSE").write_text("free")
    free = printed(tree)
    (tmp_path / "LICENSE").write_text("dear")
    assert len({dangling, free, printed(tree)}) == 3


def test_a_link_to_a_folder_counts_by_where_it_leads_in_the_tree_only(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {"one/a": (b"", False), "two/a": (b"", False)})
    (tree / "link").symlink_to("one")
    before = printed(tree)
    (tree / "link").unlink()
    (tree / "link").symlink_to("two")
    assert printed(tree) != before


@pytest.mark.parametrize("target", ["..", "/", ".tox", "loop"])
def test_a_link_with_unknown_content_leaves_no_fingerprint(tmp_path: Path, target: str) -> None:
    tree = make(tmp_path / "tree", {".tox/a": (b"", False)})
    (tree / "loop").symlink_to("loop") if target == "loop" else (tree / "link").symlink_to(target)
    assert fingerprint_tree(tree) is None


def test_a_linked_environment_does_not_count(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", {"pyvenv.cfg": (b"", False)})
    tree = make(tmp_path / "tree", {})
    before = printed(tree)
    (tree / ".venv").symlink_to(tmp_path / "elsewhere")
    (tree / "other").symlink_to(tmp_path / "elsewhere")
    assert printed(tree) == before


@pytest.mark.parametrize("kind", ["fifo", "socket", "link to a device", "link to a fifo"])
def test_special_files_leave_no_fingerprint_and_nothing_hangs(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = make(tmp_path / "tree", {})
    monkeypatch.chdir(tree)
    match kind:
        case "fifo":
            os.mkfifo(tree / "pipe")
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind("s")
        case "link to a device":
            (tree / "null").symlink_to("/dev/null")
        case _:
            os.mkfifo(tmp_path / "pipe")
            (tree / "pipe").symlink_to(tmp_path / "pipe")
    assert fingerprint_tree(tree) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["sub", "sub/a"])
def test_an_unreadable_file_leaves_no_fingerprint(tmp_path: Path, name: str) -> None:
    tree = make(tmp_path / "tree", {"sub/a": (b"", False)})
    (tree / name).chmod(0)
    assert fingerprint_tree(tree) is None
    (tree / name).chmod(0o755)


def test_a_tree_that_is_not_there_has_no_fingerprint(tmp_path: Path) -> None:
    assert fingerprint_tree(tmp_path / "gone") is None


def test_names_that_are_no_text_count(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {})
    before = printed(tree)
    Path(os.fsdecode(os.fsencode(tree) + b"/\xff")).touch()
    assert printed(tree) != before


def test_an_archive_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a-1.tar.gz").write_bytes(b"")
    assert fingerprint_file(tmp_path / "a-1.tar.gz").startswith("sha256:e3b0c44298fc1c14")


# Files that a build leaves behind


def content(tree: Path) -> TreeContent:
    found = read_tree(tree)
    assert found is not None
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make(tmp_path / "tree", {"setup.py": (b"", False), "src/pkg/a.py": (b"", False)})


@pytest.mark.parametrize(
    "name", ["build/lib/a.py", "src/pkg.egg-info/PKG-INFO", "pkg.egg-info/x", "target/x", "dist/x"]
)
def test_a_wheel_is_stored_for_the_tree_with_its_by_products_too(tree: Path, name: str) -> None:
    before = content(tree)
    after = content(make(tree, {name: (b"1", False)}))
    assert before.after_build(after) == (before.fingerprint, after.fingerprint)
    again = content(make(tree, {name: (b"2", False)}))
    assert after.after_build(again) == (after.fingerprint, again.fingerprint)


def test_a_wheel_is_not_stored_for_a_file_it_may_not_contain(tree: Path) -> None:
    """The file is a generated module, or was written during the build: the two look the same."""
    before = content(tree)
    after = content(make(tree, {"src/pkg/_version.py": (b"", False)}))
    assert before.after_build(after) == (before.fingerprint,)
    assert after.after_build(after) == (after.fingerprint,)


@pytest.mark.parametrize("how", ["edited", "gone", "mode"])
def test_a_wheel_of_a_tree_that_changed_meanwhile_is_not_stored(tree: Path, how: str) -> None:
    before = content(tree)
    path = tree / "src/pkg/a.py"
    match how:
        case "edited":
            path.write_text("new")
        case "gone":
            path.unlink()
        case _:
            path.chmod(0o755)
    assert before.after_build(content(tree)) == ()


def test_a_wheel_of_a_tree_that_became_unreadable_is_not_stored(tree: Path) -> None:
    assert content(tree).after_build(None) == ()


def test_a_package_that_is_called_build_is_no_by_product(tree: Path) -> None:
    make(tree, {"build/__init__.py": (b"", False), "build/a.py": (b"", False)})
    before = content(tree)
    make(tree, {"build/a.py": (b"edited", False)})
    assert before.after_build(content(tree)) == ()


# Git

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")


def git(folder: Path, *words: str) -> str:
    identity = [
        *("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"),
        *("-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"),
    ]
    environ = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    }
    return subprocess.run(
        ["git", *identity, *words],
        cwd=folder,
        env=environ,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = make(tmp_path / "repository", {"pkg/a.py": (b"", False), "b": (b"", False)})
    git(root, "init", "-q")
    git(root, "add", "pkg", "b")
    git(root, "commit", "-qm", "first")
    return root


@needs_git
@pytest.mark.parametrize("where", [".", "pkg"])
@pytest.mark.parametrize(
    "words",
    [
        ["commit", "-qm", "x", "--allow-empty"],
        ["tag", "v1"],
        ["tag", "-m", "x", "v1"],
        ["checkout", "-qb", "other"],
        ["rm", "-q", "--cached", "pkg/a.py"],
    ],
    ids=" ".join,
)
def test_the_state_of_git_changes_the_fingerprint(
    repository: Path, where: str, words: list[str]
) -> None:
    before = printed(repository / where)
    git(repository, *words)
    assert printed(repository / where) != before


@needs_git
@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_a_file_added_to_git_changes_the_fingerprint(repository: Path, version: str) -> None:
    git(repository, "update-index", "--index-version", version)
    make(repository, {"pkg/new.py": (b"", False)})
    before = printed(repository / "pkg")
    git(repository, "add", *(["-N"] if version == "3" else []), "pkg/new.py")
    assert printed(repository / "pkg") != before


@needs_git
def test_git_changes_without_effect_on_wheels_do_not_count(repository: Path) -> None:
    git(repository, "tag", "v1")
    before = printed(repository / "pkg")
    os.utime(repository / "b")
    git(repository, "status")
    git(repository, "update-ref", "refs/remotes/origin/other", "HEAD")
    git(repository, "gc", "-q")
    git(repository, "config", "user.name", "other")
    assert printed(repository / "pkg") == before


@needs_git
def test_a_wheel_of_a_tree_that_was_committed_meanwhile_is_not_stored(repository: Path) -> None:
    before = content(repository)
    git(repository, "commit", "-qm", "x", "--allow-empty")
    assert before.after_build(content(repository)) == ()


@needs_git
def test_a_clone_elsewhere_has_the_same_fingerprint(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(repository), "clone")
    git(tmp_path, "clone", "-q", str(repository), "another")
    assert printed(tmp_path / "clone") == printed(tmp_path / "another")


@needs_git
def test_worktrees_and_submodules_have_their_own_commit(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    git(repository, "submodule", "add", "-q", str(repository), "sub")
    trees = (tmp_path / "side", repository / "sub")
    for tree in trees:
        before = printed(tree)
        git(tree, "commit", "-qm", "x", "--allow-empty")
        assert printed(tree) != before


@needs_git
def test_a_tag_of_the_repository_counts_in_its_worktree(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    before = printed(tmp_path / "side")
    git(repository, "tag", "v1")
    assert printed(tmp_path / "side") != before


@needs_git
def test_rules_of_git_above_the_tree_count(repository: Path) -> None:
    before = printed(repository / "pkg")
    (repository / ".gitignore").write_text("*.so\n")
    assert printed(repository / "pkg") != before


@needs_git
def test_a_broken_index_leaves_no_fingerprint_or_counts_whole(repository: Path) -> None:
    index = repository / ".git" / "index"
    index.write_bytes(index.read_bytes()[:40])
    assert fingerprint_tree(repository) is None
    index.write_bytes(b"nonsense")
    assert fingerprint_tree(repository) is not None


def test_tree_deeper_than_the_recursion_of_python_has_a_fingerprint(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        fd, above = os.open("d", os.O_RDONLY, dir_fd=fd), fd
        os.close(above)
    os.close(fd)
    try:
        assert fingerprint_tree(tmp_path)
    finally:
        assert remove_tree(tmp_path / "d") == []
