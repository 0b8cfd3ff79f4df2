"""Bounds of zip files that hold for what `zipfile` reads, whatever the archive announces."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pool.sources.bounded_zip import open_zip

MEMBERS = 100
SIGNATURE = b"PK\5\6"


def make_zip(path: Path, *, hidden: bool = False) -> None:
    """Write a zip; if hidden, with a second signature in its end record, which `zipfile` ignores."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(MEMBERS):
            archive.writestr(f"{number}.py", "")
    if hidden:
        content = path.read_bytes()
        at = content.rfind(SIGNATURE)
        path.write_bytes(content[: at + 8] + SIGNATURE + content[at + 12 :])


@pytest.mark.parametrize("hidden", [False, True])
def test_zip_within_its_bounds_is_opened(tmp_path: Path, hidden: bool) -> None:
    path = tmp_path / "t.zip"
    make_zip(path, hidden=hidden)
    with (
        path.open("rb") as file,
        open_zip(file, max_directory_bytes=1 << 20, max_members=MEMBERS) as archive,
    ):
        assert len(archive.namelist()) == MEMBERS


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(
    ("most_bytes", "most_members", "reason"),
    [(1000, MEMBERS, "list of files is too long"), (1 << 20, MEMBERS - 1, "more than 99 files")],
)
def test_zip_above_a_bound_is_refused(
    tmp_path: Path, hidden: bool, most_bytes: int, most_members: int, reason: str
) -> None:
    path = tmp_path / "t.zip"
    make_zip(path, hidden=hidden)
    with path.open("rb") as file, pytest.raises(ValueError, match=reason):
        open_zip(file, max_directory_bytes=most_bytes, max_members=most_members)
