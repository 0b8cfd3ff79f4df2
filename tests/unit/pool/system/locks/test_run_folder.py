"""A folder's lock lives as long as its owner, however the owner ends."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pool.common.errors import LockError
from pool.system.locks.run_folder import (
    RunFolderLock,
    abandoned_folders,
    is_owned,
    locked_folder,
)

OWNER = """
import sys
from pathlib import Path
from pool.system.locks.run_folder import RunFolderLock
lock = RunFolderLock.create(Path(sys.argv[1]))
print("created", flush=True)
sys.stdin.read()
"""


def test_a_folder_is_owned_until_its_lock_is_released(tmp_path: Path) -> None:
    folder = tmp_path / "parent" / "run"
    with RunFolderLock.create(folder, mode=0o700) as lock:
        assert lock.folder == folder
        assert folder.stat().st_mode & 0o777 == 0o700
        assert is_owned(folder)
        assert RunFolderLock.take_over(folder) is None
        assert list(abandoned_folders(folder.parent)) == []
    assert folder.is_dir()
    assert not is_owned(folder)
    taken = RunFolderLock.take_over(folder)
    assert taken is not None
    assert is_owned(folder)
    taken.release()


def test_a_killed_process_owns_its_folder_no_longer(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "created\n"
        assert is_owned(folder)
        owner.kill()
        owner.wait()
    (lock,) = abandoned_folders(tmp_path)
    with lock:
        assert lock.folder == folder


def test_missing_folders_and_files_have_no_owner(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing", tmp_path / "file"):
        assert not is_owned(path)
        assert RunFolderLock.take_over(path) is None
        assert list(abandoned_folders(path)) == []


def test_abandoned_folders_come_in_order_of_their_names(tmp_path: Path) -> None:
    for name in "bca":
        RunFolderLock.create(tmp_path / name).release()
    names = []
    for lock in abandoned_folders(tmp_path):
        with lock:
            names.append(lock.folder.name)
    assert names == ["a", "b", "c"]


def test_a_folder_that_a_sweep_removes_before_it_is_locked_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps = 2
    mkdir = Path.mkdir

    def make_and_sweep(self: Path, *args: object, **kwargs: object) -> None:
        nonlocal sweeps
        mkdir(self, *args, **kwargs)  # type: ignore[arg-type] # passed on
        if self.name.startswith(".") and sweeps:
            sweeps -= 1
            self.rmdir()
            self.parent.rmdir()

    monkeypatch.setattr(Path, "mkdir", make_and_sweep)
    with RunFolderLock.create(tmp_path / "parent" / "run"):
        assert is_owned(tmp_path / "parent" / "run")
    assert [path.name for path in (tmp_path / "parent").iterdir()] == ["run"]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_file_system_without_locks_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(fd: int, operation: int) -> None:
        raise OSError(code, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    folder = tmp_path / "run"
    with pytest.raises(LockError, match=f"{folder}: its file system has no locks") as caught:
        RunFolderLock.create(folder)
    assert "XDG_CACHE_HOME" in caught.value.hint
    with pytest.raises(LockError, match=f"{tmp_path}: its"), locked_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with locked_folder(tmp_path):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
