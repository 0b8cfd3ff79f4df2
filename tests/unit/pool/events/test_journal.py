"""The journal: round trips, torn lines, growing files, and files that are no journal."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from pool.common.clock import SystemClock
from pool.common.errors import JournalError, OutputError
from pool.common.model import BuildId, RunId
from pool.events.journal import (
    JournalReader,
    JournalWriter,
    journal_path,
    logs_path,
    open_run_journal,
    pid_of_run,
)
from pool.events.types import VERSION, BuildQueued, Event, Header, Host, RunStopping, Unknown

HEADER = Header(
    wheelpool="1.0",
    schema=1,
    run=RunId("20261121-031205-1"),
    started="2026-11-21T03:12:05+00:00",
    argv=("build", "six"),
    python="3.11.7",
    host=Host(cpus=2, memory=1 << 30),
)


class FixedClock(SystemClock):
    """A clock whose date never changes."""

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 3, 12, 5, tzinfo=UTC)


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


def test_read_returns_the_written_events(path: Path) -> None:
    assert read(path) == [stopping(1), stopping(2), stopping(3)]


def test_a_torn_last_line_is_ignored(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    assert read(path) == [stopping(1), stopping(2)]


def test_a_torn_middle_line_raises_an_error_with_its_number(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2][:12] + b"\n", lines[3]]))
    with pytest.raises(JournalError, match=r"run\.jsonl:3: "):
        read(path)


def test_read_again_returns_events_written_since(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with JournalReader(path) as reader:
        assert list(reader.read()) == [stopping(1), stopping(2)]
        with path.open("ab") as file:
            file.write(whole[-10:])
        assert list(reader.read()) == [stopping(3)]
        assert list(reader.read()) == []


@pytest.mark.parametrize("text", [b"", b"hello\n", b'{"a": 1}\n', b"\x00\xff\n", b"[]\n"])
def test_a_file_without_a_header_raises_an_error(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(text)
    with pytest.raises(JournalError, match=r"notes\.txt: no header of a wheelpool log"):
        JournalReader(path)


def test_a_newer_schema_raises_an_error_with_its_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"schema":1', b'"schema":9', 1))
    with pytest.raises(JournalError, match=r"written by wheelpool 1\.0 with schema 9"):
        JournalReader(path)


def test_the_error_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such file"):
        JournalReader(tmp_path / "nothing.jsonl")


def test_unknown_events_are_yielded(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"type":"build.teleported","seq":4,"t":4.0}\n')
    assert isinstance(read(path)[-1], Unknown)


def test_a_journal_that_replaces_another_deletes_its_logs(path: Path) -> None:
    old = logs_path(path) / "x.log"
    old.write_text("output of the earlier run")
    writer = JournalWriter(path, HEADER)
    writer.write(BuildQueued(build=BuildId("b1"), name="x", target="x", log="x.log", seq=1, t=0.0))
    writer.close()
    JournalWriter(path, HEADER).close()
    assert not old.exists()


def test_logs_are_beside_their_journal(tmp_path: Path) -> None:
    assert logs_path(tmp_path / "run.jsonl") == tmp_path / "run.logs"
    assert logs_path(tmp_path / "events.jsonl") == tmp_path / "logs"
    assert journal_path(tmp_path) == tmp_path / "events.jsonl"


@pytest.mark.parametrize("name", [None, "own.jsonl"])
def test_open_run_journal_writes_a_header(tmp_path: Path, name: str | None) -> None:
    journal = tmp_path / name if name else None
    header, writer = open_run_journal(
        journal=journal, state_dir=tmp_path, argv=("x",), clock=SystemClock(), python="3.11.7"
    )
    writer.close()
    assert writer.path == (journal or tmp_path / "runs" / header.run / "events.jsonl")
    with JournalReader(writer.path) as reader:
        assert reader.header == header
    assert (header.argv, header.python) == (("x",), "3.11.7")


def test_open_run_journal_reports_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"own\.jsonl: the log cannot be written: ") as raised:
        open_run_journal(
            journal=tmp_path / "file" / "own.jsonl",
            state_dir=tmp_path,
            argv=(),
            clock=SystemClock(),
            python="3.11.7",
        )
    assert "--log" in raised.value.hint


def test_runs_of_one_process_have_different_ids_with_its_pid(tmp_path: Path) -> None:
    runs: list[RunId] = []
    clock = FixedClock()
    for _ in range(3):
        header, writer = open_run_journal(
            journal=None,
            state_dir=tmp_path,
            argv=(),
            clock=clock,
            python="3.11.7",
        )
        writer.close()
        runs.append(header.run)
    assert len(set(runs)) == 3
    assert {pid_of_run(run) for run in runs} == {os.getpid()}


@pytest.mark.parametrize("text", ["", "x", "20261121-031205", "20261121-031205-x", "1-2-3-4-5"])
def test_pid_of_run_rejects_other_names(text: str) -> None:
    with pytest.raises(ValueError, match=r"run id|invalid literal"):
        pid_of_run(text)


def test_log_replaces_only_logs_that_the_older_journal_lists(tmp_path: Path) -> None:
    path, logs = tmp_path / "build.jsonl", tmp_path / "build.logs"
    logs.mkdir()
    (logs / "mine.log").write_text("a user's file")
    writer = JournalWriter(path, HEADER)
    queued = BuildQueued(build=BuildId("b1"), name="t", target="t", log="t.log", seq=1, t=0.0)
    outside = BuildQueued(build=BuildId("b2"), name="u", target="u", log="../x.log", seq=2, t=0.0)
    writer.write(queued)
    writer.write(outside)
    writer.close()
    (logs / "t.log").write_text("old")
    (tmp_path / "x.log").write_text("a user's file")
    JournalWriter(path, HEADER).close()
    assert [file.name for file in logs.iterdir()] == ["mine.log"]
    assert (tmp_path / "x.log").exists()
    assert read(path) == []


def test_journal_of_a_live_run_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "build.jsonl"
    writer = JournalWriter(path, HEADER)
    writer.write(stopping(1))
    with pytest.raises(OutputError, match=HEADER.run):
        open_run_journal(
            journal=path, state_dir=tmp_path, argv=(), clock=FixedClock(), python="3.11"
        )
    writer.write(stopping(2))
    assert len(read(path)) == 2
    writer.close()
    _, second = open_run_journal(
        journal=path, state_dir=tmp_path, argv=(), clock=FixedClock(), python="3.11"
    )
    second.close()


@pytest.mark.parametrize("named", [True, False])
def test_journal_and_logs_can_be_read_by_their_user_only(tmp_path: Path, *, named: bool) -> None:
    before = os.umask(0)
    try:
        (tmp_path / "run.jsonl").touch(0o666)
        _, writer = open_run_journal(
            journal=tmp_path / "run.jsonl" if named else None,
            state_dir=tmp_path, argv=(), clock=FixedClock(), python="3.11",
        )  # fmt: skip
    finally:
        os.umask(before)
    writer.close()
    assert stat.S_IMODE(writer.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(logs_path(writer.path).stat().st_mode) == 0o700
    if not named:
        assert stat.S_IMODE(writer.path.parent.stat().st_mode) == 0o700


def test_bytes_that_are_not_utf8_are_escaped(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "run.jsonl", HEADER)
    writer.write(RunStopping(why="b\udce9d\x9b1m\x7f", seq=1, t=1.0))
    writer.close()
    (event,) = read(tmp_path / "run.jsonl")
    assert isinstance(event, RunStopping)
    assert event.why == "b\\udce9d\x9b1m\x7f"
    assert "\x9b" not in (tmp_path / "run.jsonl").read_text()


def test_the_version_in_the_header_is_the_installed_one() -> None:
    assert version("wheelpool") == VERSION
