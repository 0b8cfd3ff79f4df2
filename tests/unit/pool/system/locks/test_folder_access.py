"""Folders of others, and folders that cannot be locked, are found without a change."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from pool.system.locks.folder_access import describe_foreign_access, lock_obstacle

if TYPE_CHECKING:
    from pathlib import Path


def test_folder_of_this_user_is_not_described(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    assert describe_foreign_access(tmp_path) == ""
    assert describe_foreign_access(tmp_path / "absent") == ""


def test_folder_that_every_user_may_write_to_is_described(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    assert describe_foreign_access(tmp_path) == "every user may write to it"


def test_folder_of_another_user_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert describe_foreign_access(tmp_path).startswith("it belongs to another user (uid ")


@pytest.mark.parametrize(
    ("code", "obstacle"),
    [
        (errno.ENOLCK, "no locks available"),
        (errno.ENOSYS, "function not implemented"),
        (errno.EAGAIN, ""),
    ],
)
def test_folder_without_locks_has_an_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, obstacle: str
) -> None:
    assert lock_obstacle(tmp_path) == ""
    assert lock_obstacle(tmp_path / "absent") == "no such file or directory"

    def refuse(_fd: int, _operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert lock_obstacle(tmp_path) == obstacle
