"""uv's lock file: the same name as uv's, made without harm to others."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pool.system.locks.base import try_lock
from pool.system.locks.uv_lock import lock_path, open_lock


@pytest.mark.parametrize(
    ("tree", "digits"),
    [
        ("/srv/demo/a", "0e54305344e93e1e"),
        ("/srv/demo/deep/er/tree", "dceec3f3c837c7ee"),
        ("/srv/demo/ünï", "59b6cbe7f71bb0ce"),
    ],
)
def test_the_name_is_the_one_uv_uses(tree: str, digits: str) -> None:
    assert lock_path(Path(tree), {}) == f"/tmp/uv-setuptools-{digits}.lock"


def test_tmpdir_is_taken_as_it_is() -> None:
    assert lock_path(Path("/srv/demo/a"), {"TMPDIR": "/x/./y"}).startswith("/x/./y/uv-")
    assert lock_path(Path("/srv/demo/a"), {"TMPDIR": "x/"}).startswith("x/uv-")
    assert lock_path(Path("/srv/demo/a"), {"TMPDIR": ""}).startswith("uv-")


def test_a_new_file_is_open_to_all_and_leaves_no_litter(tmp_path: Path) -> None:
    path = str(tmp_path / "x.lock")
    first, second = open_lock(path), open_lock(path)
    assert os.path.sameopenfile(first, second)
    assert stat.S_IMODE(os.fstat(first).st_mode) == 0o666
    assert list(tmp_path.iterdir()) == [tmp_path / "x.lock"]
    os.close(first)
    os.close(second)


def test_a_file_that_can_only_be_read_is_opened_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "x.lock")
    os.close(open_lock(path))
    real = os.open

    def refuse_writing(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "permission denied", path)
        return real(path, flags, mode)

    # Permissions alone stop no superuser.
    monkeypatch.setattr(os, "open", refuse_writing)
    fd = open_lock(path)
    assert try_lock(fd)
    os.close(fd)


def test_a_place_that_is_not_there_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_lock(str(tmp_path / "gone" / "x.lock"))
    assert not list(tmp_path.iterdir())


def test_two_processes_that_create_the_file_at_once_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "x.lock")
    real, theirs = os.link, []

    def overtaken(source: str, target: str) -> None:
        monkeypatch.setattr(os, "link", real)
        theirs.append(open_lock(path))
        real(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    ours = open_lock(path)
    assert os.path.sameopenfile(ours, theirs[0])
    assert list(tmp_path.iterdir()) == [tmp_path / "x.lock"]
    os.close(ours)
    os.close(theirs[0])


def test_an_installed_uv_uses_the_same_file(tmp_path: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    found = str(uv) if uv.exists() else shutil.which("uv")
    if not found:
        pytest.skip("uv is not installed")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "setup.py").write_text("from setuptools import setup; setup(name='x', version='1')")
    environ = {**os.environ, "TMPDIR": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "cache")}
    told = subprocess.run(
        [
            found,
            "build",
            "-vv",
            "--no-build-isolation",
            "--wheel",
            "--offline",
            "--python",
            sys.executable,
            str(tree),
        ],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    names = set(re.findall(r"uv-setuptools-[0-9a-f]{16}\.lock", told))
    assert names == {Path(lock_path(tree.resolve(), environ)).name}, told
