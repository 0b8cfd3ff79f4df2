"""A run in one file: packed and unpacked completely, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import pool
from app.runs import bundle
from app.runs.record import read_record
from pool import events
from tests.support.home import write_journal

STORY = [events.RunStarted(limits={}, targets=0, out_dir="w", logs="logs")]


def run(folder: Path, log: bytes = b"hello\n") -> Path:
    journal = write_journal(folder / "run", STORY)
    (pool.logs_path(journal) / "a.log").write_bytes(log)
    return journal


def test_bundle_is_unpacked_until_the_block_ends(tmp_path: Path) -> None:
    journal, packed = run(tmp_path), tmp_path / "run.zip"
    assert bundle.pack_run(journal, packed) == ["a.log"]
    with bundle.open_journal(packed) as path:
        assert path.read_bytes() == journal.read_bytes()
        assert (read_record(path).logs / "a.log").read_bytes() == b"hello\n"
    assert not path.exists()


def test_a_folder_or_a_journal_is_no_bundle_and_stays(tmp_path: Path) -> None:
    journal = run(tmp_path)
    for path in (journal, journal.parent):
        with bundle.open_journal(path) as opened:
            assert opened == path


def test_logs_lose_their_credentials_and_nothing_else(tmp_path: Path) -> None:
    log = b"a\r\nhttps://me:pw@host/x\n\xff\xfe\x00 no newline"
    bundle.pack_run(run(tmp_path, log), tmp_path / "run.zip")
    with bundle.open_journal(tmp_path / "run.zip") as path:
        packed = (read_record(path).logs / "a.log").read_bytes()
    assert packed == log.replace(b"me:pw@", b"***@")


def test_nothing_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    journal = run(tmp_path)
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as made:
        made.write(journal, "r/events.jsonl")
        for name in ("../../x.log", "/tmp/x.log", "r/logs/../../x.log", "r/logs/deep/x.log", "y"):
            made.writestr(name, "evil")
        made.writestr("r/logs/good.log", "good")
    with bundle.open_journal(evil) as path:
        found = sorted(one.relative_to(path.parent) for one in path.parent.rglob("*"))
    assert found == [Path("events.jsonl"), Path("logs"), Path("logs/good.log")]


@pytest.mark.parametrize("members", [{}, {"r/other": "x"}])
def test_a_zip_of_something_else_is_refused(tmp_path: Path, members: dict[str, str]) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as made:
        for name, text in members.items():
            made.writestr(name, text)
    with (
        pytest.raises(pool.JournalError, match="it has no journal"),
        bundle.open_journal(other),
    ):
        pass


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "run.zip"
    bundle.pack_run(run(tmp_path, b"hello " * 1000), packed)
    data = bytearray(packed.read_bytes())
    data[60:90] = b"\xff" * 30
    packed.write_bytes(data)
    with pytest.raises(pool.JournalError, match=r"run\.zip"), bundle.open_journal(packed):
        pass


def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(pool.OutputError, match="nowhere"):
        bundle.pack_run(run(tmp_path), tmp_path / "nowhere" / "run.zip")
