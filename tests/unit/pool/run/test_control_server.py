"""The control server: one control a connection, and no input can do more than a control."""

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
from pool.run import control_server
from pool.run.control_server import ControlServer


class Run:
    """Records the controls that it gets, and rejects some."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.got: list[pool.Control] = []
        self.refuses = ""
        self.server = ControlServer(journal, self.apply, lambda: 40 + len(self.got))

    def apply(self, control: pool.Control) -> str:
        self.got.append(control)
        return self.refuses

    async def send(self, control: pool.Control) -> ControlReply:
        """Send a control as another process does."""
        return await off_the_loop(lambda: visit.send_control(self.journal, control))

    async def exchange(self, data: bytes, *, more: bool = False) -> bytes:
        """Send raw bytes; return all bytes that come back."""
        with short_path(self.server.path) as path:
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
    assert await run.server.open() == ""
    yield run
    run.server.close()
    assert not run.server.path.exists()


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
async def test_a_control_arrives_as_it_was_sent(run: Run, control: pool.Control) -> None:
    assert await run.send(control) == ControlReply(seq=41)
    assert run.got == [control]


async def test_a_rejection_is_the_reply(run: Run) -> None:
    run.refuses = "there is no build b1"
    assert (await run.send(pool.Cancel(build=BuildId("b1")))).refused == "there is no build b1"


async def test_a_long_reason_is_cut_to_fit_into_a_line(run: Run) -> None:
    run.refuses = "\x1b" * 4000
    assert (await run.send(pool.Pause())).refused == "\x1b" * 500


async def test_the_socket_is_for_its_owner_alone(run: Run) -> None:
    assert stat.S_IMODE(run.server.path.stat().st_mode) == 0o600


async def test_a_connection_of_another_user_is_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "is_same_user", lambda _socket: False)
    assert await run.exchange(b'{"control":"pause"}\n') == b""
    assert run.got == []


async def test_a_socket_of_another_user_gets_no_control(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "is_same_user", lambda _socket: False)
    with pytest.raises(pool.RunError, match="belongs to another user"):
        await run.send(pool.Pause())
    assert run.got == []


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"\xff\xfe\x00\n",
        b'{"control":"pau\x81se"}\n',
        b"[" * 4000 + b"\n",
        b'{"control":"resize"}\n',
        b'{"control":"resize","limit":"patience","value":3}\n',
        b'{"control":"resize","limit":"builds","value":"3"}\n',
        b'{"control":"dance"}\n',
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_malformed_lines_are_rejected_with_a_reason(run: Run, line: bytes) -> None:
    answer = msgspec.json.decode(await run.exchange(line), type=ControlReply)
    assert answer.refused.startswith("not a control: ")
    assert run.got == []
    assert await run.send(pool.Pause()) == ControlReply(seq=41)


@pytest.mark.parametrize("data", [b"", b"half a line", b"x" * MAX_LINE_BYTES, b"x" * (1 << 20)])
async def test_incomplete_and_oversized_lines_get_no_reply(run: Run, data: bytes) -> None:
    assert await run.exchange(data) == b""
    assert run.got == []
    assert await run.send(pool.Pause()) == ControlReply(seq=41)


async def test_a_line_may_come_in_pieces_and_only_the_first_counts(run: Run) -> None:
    with short_path(run.server.path) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    for piece in (b'{"control"', b':"pause"}', b"\n" + b'{"control":"resume"}\n'):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    assert await reader.readline() == b'{"seq":41}\n'
    writer.close()
    assert run.got == [pool.Pause()]


async def test_an_idle_connection_is_closed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "_TIMEOUT_SECONDS", 0.01)
    assert await run.exchange(b"", more=True) == b""


async def test_connections_above_the_maximum_are_closed(run: Run) -> None:
    crowd = []
    for _ in range(control_server._MAX_CONNECTIONS):
        crowd.append(await asyncio.open_unix_connection(run.server.path))
    with pytest.raises(pool.RunError, match="too many connections"):
        await run.send(pool.Pause())
    for _, writer in crowd:
        writer.close()
        await writer.wait_closed()
    assert await run.send(pool.Pause()) == ControlReply(seq=41)


async def test_closing_the_server_closes_all_connections(run: Run) -> None:
    reader, writer = await asyncio.open_unix_connection(run.server.path)
    await run.send(pool.Pause())
    run.server.close()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(pool.RunError, match="has ended"):
        visit.send_control(run.journal, pool.Pause())


@pytest.mark.parametrize("length", [90, 100, 104, 108, 150, 1000])
async def test_a_long_path_can_be_bound(tmp_path: Path, length: int) -> None:
    folder = tmp_path
    while len(str(folder)) < length - len("/run.sock"):
        folder /= "d" * min(200, max(1, length - len("/run.sock") - len(str(folder)) - 1))
    folder.mkdir(parents=True)
    run = Run(folder / "events.jsonl")
    assert await run.server.open() == ""
    assert stat.S_IMODE(run.server.path.stat().st_mode) == 0o600
    assert await run.send(pool.Pause()) == ControlReply(seq=41)
    run.server.close()
    assert list(folder.iterdir()) == []


async def test_without_proc_a_long_path_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "_DESCRIPTORS", tmp_path / "nothing")
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    run = Run(folder / "events.jsonl")
    assert "path too long" in await run.server.open()
    run.server.close()


def abandoned(path: Path) -> None:
    """Leave a socket as a killed process does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))


async def test_the_socket_of_a_killed_run_is_replaced(tmp_path: Path) -> None:
    run = Run(tmp_path / "run.jsonl")
    abandoned(tmp_path / "run.sock")
    with pytest.raises(pool.RunError, match="the run was killed"):
        visit.send_control(run.journal, pool.Pause())
    assert await run.server.open() == ""
    assert await run.send(pool.Pause()) == ControlReply(seq=41)
    run.server.close()


async def test_sockets_of_live_runs_and_other_files_are_not_replaced(
    run: Run, tmp_path: Path
) -> None:
    second = Run(run.journal)
    assert "in use" in await second.server.open()
    second.server.close()
    assert await run.send(pool.Pause()) == ControlReply(seq=41)
    file = tmp_path / "mine.sock"
    file.write_text("precious")
    assert "in use" in await Run(tmp_path / "mine.jsonl").server.open()
    assert file.read_text() == "precious"


async def test_a_folder_that_every_user_may_write_to_gets_no_socket(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    run = Run(folder / "events.jsonl")
    assert "every user may write" in await run.server.open()
    folder.chmod(0o1777)
    assert await run.server.open() == ""
    run.server.close()


async def test_a_socket_that_replaced_it_is_not_removed(tmp_path: Path) -> None:
    run = Run(tmp_path / "events.jsonl")
    await run.server.open()
    run.server.path.rename(tmp_path / "moved")
    abandoned(run.server.path)
    run.server.close()
    assert run.server.path.exists()


def test_the_socket_is_next_to_the_journal(tmp_path: Path) -> None:
    assert socket_path(tmp_path / "events.jsonl") == tmp_path / "run.sock"
    assert socket_path(tmp_path / "night.jsonl") == tmp_path / "night.sock"
