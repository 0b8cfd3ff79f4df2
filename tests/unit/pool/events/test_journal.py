"""The journal: in order, at once, forgiving at its end and strict in its middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from pool.common.errors import JournalError
from pool.common.model import RunId
from pool.events.journal import JournalReader, JournalWriter, journal_path, logs_of
from pool.events.types import Event, Header, Host, RunStopping, Unknown

HEADER = Header(
    wheelpool="1.0",
    schema=1,
    run=RunId("20261121-031205-1"),
    started="2026-11-21T03:12:05+00:00",
    argv=("build", "six"),
    python="3.11.7",
    host=Host(cpus=2, memory=1 << 30),
)


def stopping(number: int) -> RunStopping:
    return RunStopping(why="interrupted", seq=number, t=float(number))


def read(path: Path) -> list[Event]:
    with JournalReader(path) as reader:
        assert reader.header == HEADER
        return list(reader.read())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    writer = JournalWriter(path, HEADER)
    for number in (1, 2, 3):
        writer.write(stopping(number))
    writer.close()
    return path


def test_what_is_written_is_read(path: Path) -> None:
    assert read(path) == [stopping(1), stopping(2), stopping(3)]


def test_a_torn_last_line_is_forgiven(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    assert read(path) == [stopping(1), stopping(2)]


def test_a_torn_middle_line_is_refused_by_number(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2][:12] + b"\n", lines[3]]))
    with pytest.raises(JournalError, match=r"run\.jsonl:3: "):
        read(path)


def test_a_growing_journal_is_followed(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with JournalReader(path) as reader:
        assert list(reader.read()) == [stopping(1), stopping(2)]
        with path.open("ab") as file:
            file.write(whole[-10:])
        assert list(reader.read()) == [stopping(3)]
        assert list(reader.read()) == []


@pytest.mark.parametrize("text", [b"", b"hello\n", b'{"a": 1}\n', b"\x00\xff\n", b"[]\n"])
def test_what_is_no_log_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(text)
    with pytest.raises(JournalError, match=r"notes\.txt: no header of a wheelpool log"):
        JournalReader(path)


def test_a_newer_schema_is_refused_with_its_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"schema":1', b'"schema":9', 1))
    with pytest.raises(JournalError, match=r"written by wheelpool 1\.0 with schema 9"):
        JournalReader(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such file"):
        JournalReader(tmp_path / "nothing.jsonl")


def test_unknown_events_are_yielded(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"type":"build.teleported","seq":4,"t":4.0}\n')
    assert isinstance(read(path)[-1], Unknown)


def test_a_journal_that_replaces_another_begins_without_its_logs(path: Path) -> None:
    old = logs_of(path) / "x.log"
    old.write_text("of the earlier run")
    JournalWriter(path, HEADER).close()
    assert not old.exists()


def test_logs_lie_beside_their_journal(tmp_path: Path) -> None:
    assert logs_of(tmp_path / "run.jsonl") == tmp_path / "run.logs"
    assert logs_of(tmp_path / "events.jsonl") == tmp_path / "logs"
    assert journal_path(tmp_path) == tmp_path / "events.jsonl"
