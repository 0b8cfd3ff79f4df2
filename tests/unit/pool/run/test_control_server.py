"""The door of a run: one command a visit, and nothing that comes in can do more."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

import pool
from pool.common.model import BuildId, LimitName
from pool.events import control_socket as visit
from pool.events.control_socket import MAX_LINE_BYTES, ControlReply, short_path, socket_path
from pool.run import control_server as doors
from pool.run.control_server import ControlServer


class Run:
    """Keeps the commands it gets, and refuses some."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.got: list[pool.Control] = []
        self.refuses = ""
        self.door = ControlServer(journal, self.obey, lambda: 40 + len(self.got))

    def obey(self, control: pool.Control) -> str:
        self.got.append(control)
        return self.refuses

    async def asked(self, control: pool.Control) -> ControlReply:
        """Ask as another process does."""
        return await off_the_loop(lambda: visit.send_control(self.journal, control))

    async def told(self, data: bytes, *, more: bool = False) -> bytes:
        """Say something raw; return all that comes back."""
        with short_path(self.door.path) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(data)
            if not more:
                writer.write_eof()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def off_the_loop(call: Callable[[], ControlReply]) -> ControlReply:
    return await asyncio.get_running_loop().run_in_executor(None, call)


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    run = Run(tmp_path / "events.jsonl")
    assert await run.door.open() == ""
    yield run
    run.door.close()
    assert not run.door.path.exists()


ALL: list[pool.Control] = [
    pool.Resize(limit=LimitName.BUILDS, value=3),
    pool.Resize(limit=LimitName.MEMORY, value=0),
    pool.Resize(limit=LimitName.JOBS, by=-1),
    pool.Pause(),
    pool.Resume(),
    pool.Cancel(build=BuildId("b1")),
    pool.Retry(build=BuildId("b2")),
    pool.Stop(now=True),
]


@pytest.mark.parametrize("control", ALL, ids=lambda control: type(control).__name__)
async def test_a_command_arrives_as_it_was_sent(run: Run, control: pool.Control) -> None:
    assert await run.asked(control) == ControlReply(seq=41)
    assert run.got == [control]


async def test_a_refusal_is_told(run: Run) -> None:
    run.refuses = "there is no build b1"
    assert (await run.asked(pool.Cancel(build=BuildId("b1")))).refused == "there is no build b1"


async def test_long_words_come_back_short_enough_to_be_read(run: Run) -> None:
    run.refuses = "\x1b" * 4000
    assert (await run.asked(pool.Pause())).refused == "\x1b" * 500


async def test_it_is_for_its_owner_alone(run: Run) -> None:
    assert stat.S_IMODE(run.door.path.stat().st_mode) == 0o600


async def test_another_user_is_shown_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "is_same_user", lambda _socket: False)
    assert await run.told(b'{"control":"pause"}\n') == b""
    assert run.got == []


async def test_a_door_that_is_somebody_elses_is_not_spoken_to(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "is_same_user", lambda _socket: False)
    with pytest.raises(pool.RunError, match="belongs to another user"):
        await run.asked(pool.Pause())
    assert run.got == []


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"\xff\xfe\x00\n",
        b"[" * 4000 + b"\n",
        b'{"control":"resize"}\n',
        b'{"control":"resize","limit":"patience","value":3}\n',
        b'{"control":"resize","limit":"builds","value":"3"}\n',
        b'{"control":"dance"}\n',
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_nonsense_is_refused_in_words(run: Run, line: bytes) -> None:
    answer = msgspec.json.decode(await run.told(line), type=ControlReply)
    assert answer.refused.startswith("not a control: ")
    assert run.got == []
    assert await run.asked(pool.Pause()) == ControlReply(seq=41)


@pytest.mark.parametrize("data", [b"", b"half a line", b"x" * MAX_LINE_BYTES, b"x" * (1 << 20)])
async def test_no_line_and_one_without_end_are_not_answered(run: Run, data: bytes) -> None:
    assert await run.told(data) == b""
    assert run.got == []
    assert await run.asked(pool.Pause()) == ControlReply(seq=41)


async def test_a_line_may_come_in_pieces_and_only_the_first_counts(run: Run) -> None:
    with short_path(run.door.path) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    for piece in (b'{"control"', b':"pause"}', b"\n" + b'{"control":"resume"}\n'):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    assert await reader.readline() == b'{"seq":41}\n'
    writer.close()
    assert run.got == [pool.Pause()]


async def test_who_says_nothing_has_to_leave(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "_TIMEOUT_SECONDS", 0.01)
    assert await run.told(b"", more=True) == b""


async def test_a_crowd_is_kept_out_until_it_leaves(run: Run) -> None:
    crowd = []
    for _ in range(doors._MAX_CONNECTIONS):
        crowd.append(await asyncio.open_unix_connection(run.door.path))
    with pytest.raises(pool.RunError, match="too many connections"):
        await run.asked(pool.Pause())
    for _, writer in crowd:
        writer.close()
        await writer.wait_closed()
    assert await run.asked(pool.Pause()) == ControlReply(seq=41)


async def test_visitors_are_shown_out_at_the_end(run: Run) -> None:
    reader, writer = await asyncio.open_unix_connection(run.door.path)
    await run.asked(pool.Pause())
    run.door.close()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(pool.RunError, match="has ended"):
        visit.send_control(run.journal, pool.Pause())


@pytest.mark.parametrize("length", [90, 100, 104, 108, 150, 1000])
async def test_a_long_path_is_no_obstacle(tmp_path: Path, length: int) -> None:
    folder = tmp_path
    while len(str(folder)) < length - len("/run.sock"):
        folder /= "d" * min(200, max(1, length - len("/run.sock") - len(str(folder)) - 1))
    folder.mkdir(parents=True)
    run = Run(folder / "events.jsonl")
    assert await run.door.open() == ""
    assert stat.S_IMODE(run.door.path.stat().st_mode) == 0o600
    assert await run.asked(pool.Pause()) == ControlReply(seq=41)
    run.door.close()
    assert list(folder.iterdir()) == []


async def test_without_proc_a_long_path_is_a_remark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "_DESCRIPTORS", tmp_path / "nothing")
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    run = Run(folder / "events.jsonl")
    assert "path too long" in await run.door.open()
    run.door.close()


def abandoned(path: Path) -> None:
    """Leave a socket as a killed process does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))


async def test_what_a_killed_run_left_is_told_and_replaced(tmp_path: Path) -> None:
    run = Run(tmp_path / "run.jsonl")
    abandoned(tmp_path / "run.sock")
    with pytest.raises(pool.RunError, match="the run was killed"):
        visit.send_control(run.journal, pool.Pause())
    assert await run.door.open() == ""
    assert await run.asked(pool.Pause()) == ControlReply(seq=41)
    run.door.close()


async def test_another_runs_door_and_other_files_are_left_alone(run: Run, tmp_path: Path) -> None:
    second = Run(run.journal)
    assert "in use" in await second.door.open()
    second.door.close()
    assert await run.asked(pool.Pause()) == ControlReply(seq=41)
    file = tmp_path / "mine.sock"
    file.write_text("precious")
    assert "in use" in await Run(tmp_path / "mine.jsonl").door.open()
    assert file.read_text() == "precious"


async def test_where_everybody_may_write_there_is_no_door(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    run = Run(folder / "events.jsonl")
    assert "every user may write" in await run.door.open()
    folder.chmod(0o1777)
    assert await run.door.open() == ""
    run.door.close()


async def test_a_socket_that_took_its_place_is_left(tmp_path: Path) -> None:
    run = Run(tmp_path / "events.jsonl")
    await run.door.open()
    run.door.path.rename(tmp_path / "moved")
    abandoned(run.door.path)
    run.door.close()
    assert run.door.path.exists()


def test_it_is_beside_the_journal(tmp_path: Path) -> None:
    assert socket_path(tmp_path / "events.jsonl") == tmp_path / "run.sock"
    assert socket_path(tmp_path / "night.jsonl") == tmp_path / "night.sock"
