"""Atomic writes leave the old file or the new one; `remove_tree` restores modes, follows no link."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pool.common import files
from pool.common.cancellation import WorkCancelledError, observe_flag
from pool.common.errors import OutputError
from pool.common.files import (
    atomic_path,
    atomic_write,
    copy_into,
    hash_file,
    move_into,
    open_output,
    remove_tree,
    walk_folders,
)

NOBODY = 65534


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_with(code: int, *names: str) -> object:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code), *names)

    return fail


def test_atomic_write_replaces_the_file_and_creates_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b"
    atomic_write(file, b"old")
    atomic_write(file, b"new", mode=0o750)
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o750
    assert names(file.parent) == ["b"]


def test_atomic_write_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "x", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_midway_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("old")
    with pytest.raises(UnicodeEncodeError), atomic_path(file) as temporary:
        temporary.write_text("half \ud800", encoding="utf-8")
    assert names(tmp_path) == ["x"]
    assert file.read_text() == "old"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x"
    file.write_text("old")

    def half(self: Path, content: bytes) -> int:
        with self.open("wb") as out:
            out.write(content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space"):
        atomic_write(file, b"whole")
    assert names(tmp_path) == ["x"]
    assert file.read_text() == "old"


def test_an_output_is_complete_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("before")
    with pytest.raises(TypeError), open_output(file) as out:
        out.writelines([b"half", None])  # type: ignore[list-item] # on purpose
    assert file.read_text() == "before"
    with open_output(file) as out:
        out.write(b"whole")
    assert names(tmp_path) == ["x"]
    assert file.read_text() == "whole"


def test_an_output_keeps_links_and_writes_to_devices(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with open_output(tmp_path / "link") as out:
        out.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"
    with open_output(Path(os.devnull)) as out:
        out.write(b"x")
    assert not Path(os.devnull).is_file()


def test_an_output_cannot_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a directory"), open_output(tmp_path):
        pass


def test_move_into_replaces_an_older_file(tmp_path: Path) -> None:
    file, out = tmp_path / "x.whl", tmp_path / "out"
    out.mkdir()
    (out / "x.whl").write_text("old")
    file.write_text("new")
    assert move_into(file, out) == out / "x.whl"
    assert (out / "x.whl").read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_move_into_copies_across_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = tmp_path / "x.whl", tmp_path / "out"
    file.write_text("new")
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self == file:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    move_into(file, out)
    assert (out / "x.whl").read_text() == "new"
    assert names(out) == ["x.whl"]


def test_copy_into_keeps_the_original_and_does_not_copy_onto_itself(tmp_path: Path) -> None:
    file = tmp_path / "x.whl"
    file.write_text("new")
    assert copy_into(file, tmp_path / "out").read_text() == "new"
    assert copy_into(file, tmp_path) == file
    assert file.read_text() == "new"


def test_copy_into_leaves_nothing_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.whl").write_text("new")
    monkeypatch.setattr(files, "_copy_content", fail_with(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        copy_into(tmp_path / "x.whl", tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_remove_tree_removes_links_but_not_their_targets(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o555)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "to-folder").symlink_to(outside)
    (tree / "broken").symlink_to(tmp_path / "missing")
    link = tmp_path / "link"
    link.symlink_to(outside)
    assert remove_tree(tree) == remove_tree(link) == []
    assert names(tmp_path) == ["outside"]
    assert outside.stat().st_mode & 0o777 == 0o555


def test_remove_tree_removes_a_file_and_accepts_a_missing_path(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert remove_tree(tmp_path / "x") == remove_tree(tmp_path / "x") == []
    assert names(tmp_path) == []


def test_remove_tree_returns_paths_it_could_not_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a" / "x").touch()
    monkeypatch.setattr(os, "unlink", fail_with(errno.EPERM))
    assert remove_tree(tree) == [tree / "a" / "x"]
    monkeypatch.undo()
    assert remove_tree(tree) == []


def make_deep_tree(root: Path, depth: int) -> None:
    """Make a tree that is deeper than any path: each folder by its name in the one above."""
    root.mkdir()
    fd = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        for name in ("f", "g"):
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        for name in ("d", "other"):
            os.mkdir(name, dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)


def test_remove_tree_removes_a_tree_that_is_deeper_than_any_path(tmp_path: Path) -> None:
    make_deep_tree(tmp_path / "tree", 3000)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    assert remove_tree(tmp_path / "tree") == []
    assert names(tmp_path) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_remove_tree_stops_at_a_folder_that_is_moved_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "tree" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "x").touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b").mkdir()
    unlink = os.unlink

    def move_first(name: str, *, dir_fd: int) -> None:
        unlink(name, dir_fd=dir_fd)
        inner.rename(tmp_path / "outside" / "moved")

    monkeypatch.setattr(os, "unlink", move_first)
    assert remove_tree(tmp_path / "tree") == [tmp_path / "tree"]
    assert names(tmp_path / "outside") == ["b", "moved"]


@pytest.fixture
def plain_user() -> Iterator[Path]:
    """A folder of a user for whom permission bits count; the test runs as that user."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="plain-user-") as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, NOBODY, NOBODY)
        try:
            os.seteuid(NOBODY)
        except PermissionError:
            pytest.skip("root without the capability to switch the user id")
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("mode", [0o555, 0o333, 0o111, 0o000])
def test_remove_tree_gives_folders_their_modes_back(plain_user: Path, mode: int) -> None:
    outside = plain_user / "outside"
    outside.mkdir()
    outside.chmod(mode)
    tree = plain_user / "tree"
    inner = tree / "pkg" / "mod@v1"
    inner.mkdir(parents=True)
    (inner / "x.go").touch(mode=0o444)
    (inner / "outside").symlink_to(outside)
    for folder in (inner, inner.parent, tree):
        folder.chmod(mode)
    assert remove_tree(tree) == []
    assert names(plain_user) == ["outside"]
    assert outside.stat().st_mode & 0o777 == mode
    outside.chmod(0o755)


def test_remove_tree_names_paths_protected_by_another_user(plain_user: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to make a folder of another user")
    tree = plain_user / "tree"
    tree.mkdir()
    os.seteuid(0)
    (tree / "theirs").mkdir(mode=0o755)
    (tree / "theirs" / "x").touch()
    os.seteuid(NOBODY)
    (tree / "mine").touch()
    assert remove_tree(tree) == [tree / "theirs" / "x"]


def test_walk_folders_yields_each_folder_once_and_follows_no_link(tmp_path: Path) -> None:
    make_deep_tree(tmp_path / "deep", 1200)
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    found = {}
    for folder, folders, others in walk_folders(str(tmp_path)):
        if "deep" in folders:
            folders.remove("deep")
        found[folder] = (sorted(folders), sorted(others))
    assert found == {
        str(tmp_path): (["b"], ["file"]),
        f"{tmp_path}/b": (["c"], ["link"]),
        f"{tmp_path}/b/c": ([], []),
    }
    assert sum(1 for _ in walk_folders(str(tmp_path / "deep"))) > 1000
    assert remove_tree(tmp_path / "deep") == []


@pytest.mark.parametrize("operation", ["copy", "write", "move"])
def test_files_of_one_name_made_at_once_by_processes_of_one_pid_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    # Processes of two containers that share a folder can have the same pid.
    monkeypatch.setattr(os, "getpid", lambda: 7)
    contents = [bytes([number]) * 200_000 for number in range(8)]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.whl").write_bytes(content)
    out = tmp_path / "out"
    start = threading.Barrier(len(contents))

    def publish(number: int) -> None:
        start.wait()
        source = tmp_path / str(number) / "a.whl"
        match operation:
            case "copy":
                copy_into(source, out)
            case "move":
                move_into(source, out)
            case _:
                atomic_write(out / "a.whl", contents[number])

    with ThreadPoolExecutor(len(contents)) as executor:
        list(executor.map(publish, range(len(contents))))
    assert (out / "a.whl").read_bytes() in contents
    assert [path.name for path in out.iterdir()] == ["a.whl"]


def test_hash_file_is_the_sha256_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"some bytes")
    assert hash_file(tmp_path / "x") == hashlib.sha256(b"some bytes").hexdigest()


def test_hash_file_in_a_cancelled_thread_ends_early(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    flag = threading.Event()
    with observe_flag(flag):
        assert hash_file(path) == hashlib.sha256(b"x").hexdigest()
        flag.set()
        with pytest.raises(WorkCancelledError):
            hash_file(path)
