"""The TMPDIR of a build: beside its wheel, short enough for sockets, with uv's locks."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from pool.build.frontend import temporary_folder
from pool.system.locks import uv_lock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own TMPDIR."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_create_links_a_folder_with_a_long_path(tmp_path: Path, user: Path) -> None:
    folder = tmp_path / ("long" * 20)
    temporary = temporary_folder.create(folder, {"TMPDIR": str(user)})
    (temporary / "x").touch()
    assert (folder / "x").exists()
    assert temporary.is_symlink()
    temporary_folder.release(temporary, folder)
    assert not temporary.is_symlink()
    assert (folder / "x").exists()


def test_create_in_a_long_tmpdir_gives_a_path_short_enough_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 20)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    temporary = temporary_folder.create(folder, {"TMPDIR": str(tmp_path)})
    assert len(str(temporary)) < 75
    assert temporary.samefile(folder)
    temporary_folder.release(temporary, folder)
    assert not temporary.exists()


def test_create_links_the_locks_of_uv(tmp_path: Path, user: Path) -> None:
    path = uv_lock.lock_path(tmp_path, {"TMPDIR": str(user)})
    (user / path).touch()
    folder = tmp_path / "build"
    for _ in range(2):
        temporary = temporary_folder.create(folder, {"TMPDIR": str(user)})
        assert (folder / (user / path).name).samefile(path)
        temporary_folder.release(temporary, folder)


@pytest.mark.parametrize("value", ["", "relative"])
def test_create_without_an_absolute_tmpdir_links_no_locks(
    tmp_path: Path, user: Path, value: str
) -> None:
    temporary_folder.create(tmp_path / "b", {"TMPDIR": value})
    assert list((tmp_path / "b").iterdir()) == []
