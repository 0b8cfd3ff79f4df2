"""The run of another process: each event comes once, and controls arrive."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
import pytest

import pool
from app.runs import store as runs
from app.source import attached as attach
from app.source.attached import AttachedSource
from pool import events
from pool.common.model import RunId
from pool.events.codec import encode
from pool.events.journal import JournalWriter
from pool.run.control_server import ControlServer
from tests.support.fakes import ManualClock
from tests.support.home import HEADER, number_events, wait_until

B = pool.BuildId("b1")
STORY = number_events(
    [
        events.RunStarted(
            limits={pool.LimitName.BUILDS: 2}, targets=1, out_dir="w", logs="logs", t=0.1
        ),
        events.BuildQueued(build=B, name="six", target="./six", log="six.log"),
        events.BuildStarted(build=B, slot=1),
        events.BuildFinished(build=B, outcome=pool.Outcome.BUILT),
        events.RunFinished(exit_code=0, totals={pool.Outcome.BUILT: 1}),
    ]
)


class Growing:
    """A journal that another process writes, as bytes arrive."""

    def __init__(self, folder: Path, started: datetime | None = None) -> None:
        self.run = f"20261121-031205-{os.getpid()}"
        self.path = folder / self.run / "events.jsonl"
        since = started or datetime.now(UTC)
        header = msgspec.structs.replace(HEADER, run=RunId(self.run), started=since.isoformat())
        self.writer = JournalWriter(self.path, header)

    def write(self, *written: events.KnownEvent) -> None:
        for event in written:
            self.writer.write(event)

    def tear(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    growing = Growing(tmp_path)
    yield growing
    growing.writer.close()


@contextmanager
def attached(growing: Growing, clock: pool.Clock | None = None) -> Iterator[AttachedSource]:
    with AttachedSource(growing.path, clock or ManualClock()) as source:
        yield source
    assert threading.active_count() == 1


def test_past_events_come_before_new_ones(growing: Growing) -> None:
    growing.write(*STORY[:2])
    with attached(growing) as source:
        assert source.poll() == STORY[:2]
        assert source.poll() == []
        growing.write(*STORY[2:4])
        assert source.poll() == STORY[2:4]
        assert not source.exhausted


def test_attached_source_folds_events_into_the_state_of_the_run(growing: Growing) -> None:
    mine, runs_own = pool.RunState(), pool.RunState()
    with attached(growing) as source:
        for event in STORY:
            growing.write(event)
            pool.apply(runs_own, event)
            pool.apply_all(mine, source.poll())
            assert mine == runs_own


def test_a_torn_line_is_awaited(growing: Growing) -> None:
    line = encode(STORY[0]) + b"\n"
    with attached(growing) as source:
        for at in range(len(line) - 1):
            growing.tear(line[at : at + 1])
            assert source.poll() == []
        growing.tear(line[-1:])
        assert source.poll() == STORY[:1]


def test_the_end_is_the_runs_end(growing: Growing) -> None:
    growing.write(*STORY)
    with attached(growing) as source:
        assert source.exit_code_on_leave == 0
        source.wait(10.0)
        assert not source.exhausted, "there is something to poll"
        assert source.poll() == STORY
        assert source.exhausted
        assert source.exit_code == 0
        source.send(pool.Pause())
        assert source.poll() == []


def test_a_killed_run_is_noticed_when_it_is_time_to_look(
    growing: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    growing.write(*STORY[:3])
    with attached(growing, clock) as source:
        source.poll()
        monkeypatch.setattr(attach, "is_running", lambda *_: False)
        source.poll()
        assert not source.exhausted
        clock.seconds = 2.0
        growing.write(STORY[3])
        assert source.poll() == STORY[3:4], "as long as it writes it is not looked for"
        source.poll()
        assert source.exhausted
        assert source.exit_code is None
        assert source.exit_code_on_leave == 1


def test_the_last_words_of_a_run_that_ends_are_not_missed(
    growing: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()

    def ends(*_: object) -> bool:
        growing.write(*STORY)
        return False

    with attached(growing, clock) as source:
        monkeypatch.setattr(attach, "is_running", ends)
        clock.seconds = 2.0
        assert source.poll() == STORY
        assert source.exit_code == 0


def test_a_log_that_another_run_overwrites_is_no_run(growing: Growing) -> None:
    growing.write(*STORY[:2])
    with attached(growing) as source:
        source.poll()
        growing.write(STORY[0])
        assert source.poll() == []
        assert source.exhausted
        assert source.error is not None
        assert "another run writes to it" in source.error
        assert source.exit_code_on_leave == 1


def served(growing: Growing, refused: str, controls: list[pool.Control]) -> None:
    """Be the run at the other end of the door while three commands come."""

    async def serve() -> None:
        done = asyncio.Event()

        def obey(control: pool.Control) -> str:
            controls.append(control)
            if len(controls) == 3:
                asyncio.get_running_loop().call_later(0.01, done.set)
            return refused

        door = ControlServer(growing.path, obey, lambda: 0)
        assert await door.open() == ""
        opened.set()
        await done.wait()
        door.close()
        await asyncio.sleep(0)

    opened = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    opened.wait()
    try:
        with AttachedSource(growing.path, ManualClock()) as source:
            told: list[str] = []
            source.on_refusal = told.append
            commands = (pool.Pause(), pool.Cancel(build=B), pool.Resume())
            for control in commands:
                source.send(control)
            thread.join()
            source._controls.put(None)
            source._sender.join()
            source.poll()
            assert told == [refused] * 3 if refused else told == []
    finally:
        thread.join()


@pytest.mark.parametrize("refused", ["", "there is no build b1"])
def test_controls_arrive_in_order_and_rejections_are_reported(
    growing: Growing, refused: str
) -> None:
    controls: list[pool.Control] = []
    served(growing, refused, controls)
    assert controls == [pool.Pause(), pool.Cancel(build=B), pool.Resume()]


def test_run_without_control_socket_is_an_error(growing: Growing) -> None:
    with AttachedSource(growing.path, ManualClock()) as source:
        told: list[str] = []
        source.on_refusal = told.append
        source.send(pool.Pause())
        source._controls.put(None)
        source._sender.join()
        source.poll()
    (line,) = told
    assert "takes no commands" in line


def test_attached_source_has_the_name_that_finds_the_run_again(
    growing: Growing, tmp_path: Path
) -> None:
    with attached(growing) as source:
        assert source.name == growing.run
    elsewhere = tmp_path / "night.jsonl"
    elsewhere.write_bytes(growing.path.read_bytes())
    with AttachedSource(elsewhere, ManualClock()) as source:
        assert source.name == str(elsewhere)


# Which run is meant


def test_only_running_run_is_the_default(tmp_path: Path) -> None:
    growing = Growing(tmp_path / "runs")
    growing.write(*STORY[:2])
    assert runs.find_running(tmp_path, None) == growing.path
    assert runs.find_running(tmp_path, growing.run[:12]) == growing.path
    assert runs.find_running(tmp_path, str(growing.path)) == growing.path
    growing.write(*STORY[2:])
    growing.writer.close()
    with pytest.raises(pool.RunError, match=r"^no run in progress$"):
        runs.find_running(tmp_path, None)
    with pytest.raises(pool.RunError, match="the run has ended") as told:
        runs.find_running(tmp_path, growing.run)
    assert "wheelpool replay" in told.value.hint


def test_of_several_one_has_to_be_named(tmp_path: Path) -> None:
    one = Growing(tmp_path / "runs")
    other = tmp_path / "runs" / f"20261121-050000-{os.getpid()}" / "events.jsonl"
    other.parent.mkdir()
    other.write_bytes(one.path.read_bytes())
    one.writer.close()
    with pytest.raises(pool.RunError, match=rf"2 runs in progress.*{one.run} {other.parent.name}$"):
        runs.find_running(tmp_path, None)


def test_a_killed_one_is_no_choice(tmp_path: Path) -> None:
    # A process that came after the run has its pid by now.
    growing = Growing(tmp_path / "runs", datetime(1999, 1, 1, tzinfo=UTC))
    growing.writer.close()
    with pytest.raises(pool.RunError, match="no run in progress"):
        runs.find_running(tmp_path, None)
    with pytest.raises(pool.RunError, match="the run was killed"):
        runs.find_running(tmp_path, growing.run)


def test_zombie_process_is_not_running() -> None:
    process = subprocess.Popen(["sleep", "1000"])
    run = f"20261121-031205-{process.pid}"
    assert runs.is_running(run, datetime.now(UTC))
    process.kill()
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert not runs.is_running(run, datetime.now(UTC))
    process.wait()
    assert not runs.is_running(run, datetime.now(UTC))
