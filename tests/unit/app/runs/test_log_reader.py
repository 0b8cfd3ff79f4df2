"""The log of one build: which one, all of it, and what is added while it is followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import pool
from app.runs.log_reader import LogReader
from pool import events
from tests.support.home import Home, number_events, write_journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

A, B, C = (pool.BuildId(f"b{n}") for n in (1, 2, 3))
QUEUED: list[events.KnownEvent] = [
    events.RunStarted(limits={pool.LimitName.BUILDS: 2}, targets=2, out_dir="w", logs="logs"),
    events.BuildQueued(build=A, name="six", version="1.0", target="six", log="six.log"),
    events.BuildQueued(build=B, name="six", version="1.0", target="six", log="again.log", retry_of=A),
    events.BuildQueued(build=C, name="other", target="./other", log=""),
]  # fmt: skip
ENDED: list[events.KnownEvent] = [
    events.BuildFinished(build=one, outcome=pool.Outcome.FAILED, message="no") for one in (A, B, C)
]


def make_run(home: Home, *more: events.KnownEvent) -> Path:
    folder = home.state / "runs" / "20261121-000000-1"
    journal = write_journal(folder, [*QUEUED, *more], run="20261121-000000-1")
    logs = pool.logs_path(journal)
    logs.mkdir(exist_ok=True)
    (logs / "six.log").write_text("first attempt\n")
    (logs / "again.log").write_text("one\n\x1b[31mtwo\x1b[0m\nthree")
    return journal


@pytest.mark.parametrize("name", ["six", "SIX==1.0", "b2"])
def test_log_is_that_of_the_last_attempt_without_escapes(home: Home, name: str) -> None:
    with pool.JournalReader(make_run(home, *ENDED)) as reader:
        assert [*LogReader(reader, name).read()] == ["one", "two", "three"]


def test_earlier_attempt_is_named_by_its_id(home: Home) -> None:
    with pool.JournalReader(make_run(home, *ENDED)) as reader:
        assert [*LogReader(reader, "b1").read()] == ["first attempt"]


@pytest.mark.parametrize(
    ("name", "message"), [("none", "no build named none"), ("other", "this build has no log")]
)
def test_missing_log_is_an_error_that_names_the_build(home: Home, name: str, message: str) -> None:
    journal = make_run(home, *ENDED)
    with (
        pool.JournalReader(journal) as reader,
        pytest.raises(pool.RunError, match=message),
    ):
        LogReader(reader, name)


def test_followed_log_ends_with_its_build(home: Home) -> None:
    journal = make_run(home)
    file = pool.logs_path(journal) / "again.log"
    ended = [pool.encode(event) + b"\n" for event in number_events([*QUEUED, *ENDED])[-3:]]

    def delays() -> Iterator[None]:
        yield
        with file.open("a") as log:
            log.write(" and a half\nfour")
        yield
        with journal.open("ab") as events_file:
            events_file.writelines(ended)
        yield
        pytest.fail("it waits for a build that has ended")

    with pool.JournalReader(journal) as reader:
        lines = LogReader(reader, "six").follow(delays())
        assert [next(lines), next(lines)] == ["one", "two"]
        assert [*lines] == ["three and a half", "four"]


def test_command_prints_the_log_of_the_newest_run(home: Home) -> None:
    make_run(home, *ENDED)
    done = home.run("log", "six")
    assert (done.returncode, done.stdout) == (0, "one\ntwo\nthree\n")
    assert home.run("log", "none").returncode == 2
