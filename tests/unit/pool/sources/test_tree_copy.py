"""Copies of trees can be written to, leave out what is no file, and name what cannot be read."""

from __future__ import annotations

import os
import socket
import zipfile
from pathlib import Path

import pytest

from pool.common.errors import ProjectError
from pool.common.files import remove_tree
from pool.sources.tree_copy import copy_tree


def test_copy_has_files_links_modes_and_times_of_the_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "run").write_text("text")
    (tree / "sub" / "run").chmod(0o755)
    os.utime(tree / "sub" / "run", (1_600_000_000, 1_600_000_000))
    (tree / "link").symlink_to("sub")
    (tree / "dangling").symlink_to("/nonexistent")
    assert copy_tree(tree, tmp_path / "copy") == []
    status = (tmp_path / "copy" / "sub" / "run").stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (0o755, 1_600_000_000)
    assert (tmp_path / "copy" / "link").readlink() == Path("sub")
    assert (tmp_path / "copy" / "dangling").readlink() == Path("/nonexistent")


def test_copy_of_a_read_only_tree_can_be_written_to(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "setup.py").touch(mode=0o444)
    tree.chmod(0o555)
    copy_tree(tree, tmp_path / "copy")
    tree.chmod(0o755)
    assert (tmp_path / "copy").stat().st_mode & 0o700 == 0o700
    assert (tmp_path / "copy" / "setup.py").stat().st_mode & 0o777 == 0o644


def test_copy_leaves_out_pipes_sockets_and_excluded_folders(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "cache" / "builds").mkdir(parents=True)
    (tree / "sub").mkdir()
    os.mkfifo(tree / "sub" / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "socket"))
    assert copy_tree(tree, tmp_path / "copy", [tree / "cache"]) == ["socket", "sub/pipe"]
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["sub"]


def test_copy_moves_times_that_a_zip_cannot_hold(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "old").touch()
    os.utime(tree / "old", (0, 0))
    copy_tree(tree, tmp_path / "copy")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as out:
        out.write(tmp_path / "copy" / "old")
    assert out.infolist()[0].date_time[0] == 1980


def test_copy_of_a_deep_tree_is_complete(tmp_path: Path) -> None:
    inner = tree = tmp_path / "tree"
    tree.mkdir()
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        fd, above = os.open("d", os.O_RDONLY, dir_fd=fd), fd
        os.close(above)
        inner /= "d"
    os.close(fd)
    try:
        copy_tree(tree, tmp_path / "copy")
        assert (tmp_path / "copy" / inner.relative_to(tree)).is_dir()
    finally:
        assert remove_tree(tree) == remove_tree(tmp_path / "copy") == []


def test_copy_of_a_tree_that_disappears_names_it(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="tree: cannot be copied: no such file"):
        copy_tree(tmp_path / "tree", tmp_path / "copy")
