"""Bytes on the control socket: the server refuses them and goes on with its other clients."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pool
from pool.common.json import encode_json
from pool.common.model import BuildId, LimitName
from pool.events import types as v
from pool.events.control_socket import MAX_LINE_BYTES, ControlReply, socket_path
from pool.events.controls import Cancel, Control, Pause, Resize, Resume, Retry, Stop, WatchBuild
from pool.run.control_server import ControlServer, reject_reason
from tests.fuzz.limits import fuzz, limited
from tests.fuzz.strategies import damaged, damaged_json, expand

BUILD = BuildId("b1")
CONTROLS: list[Control] = [
    Resize(limit=LimitName.BUILDS, value=3),
    Resize(limit=LimitName.MEMORY, by=-1),
    *(Pause(), Resume(), Stop(now=True)),
    *(Cancel(build=BUILD), Retry(build=BUILD), WatchBuild(build=BUILD)),
]
DOCUMENTS = [msgspec.to_builtins(control) for control in CONTROLS]
LINES = st.one_of(
    st.binary(max_size=60),
    *(damaged_json(document) for document in DOCUMENTS),
    *(damaged(encode_json(control)) for control in CONTROLS),
    st.sampled_from([*map(encode_json, CONTROLS), b"<LONG>", b"<DEEP>", b'{"control":' * 300]),
)
CHUNKS = st.lists(LINES | st.just(b"\n") | st.just(b"\r\n"), max_size=6)
"""The bytes of one connection, in the pieces in which they are sent."""


class Service:
    """A run of one build that applies controls by remembering them."""

    def __init__(self) -> None:
        self.state = pool.RunState()
        pool.apply(self.state, v.RunStarted(limits={}, targets=1, out_dir="", logs=""))
        pool.apply(self.state, v.BuildQueued(build=BUILD, name="a", target="a", log="a.log"))
        self.applied: list[Control] = []

    def apply(self, control: Control) -> str:
        """Remember a control that is not rejected."""
        if not (reason := reject_reason(control, self.state, stopping=False)):
            self.applied.append(control)
        return reason


async def send(path: Path, chunks: list[bytes], *, half: bool) -> bytes:
    """Send the pieces, close one direction or both, and return the reply."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(0)
        if half:
            writer.write_eof()
        return await reader.read() if half else b""
    except ConnectionError:
        return b""  # The server closed the connection.
    finally:
        writer.close()


async def exchange(clients: list[list[bytes]], half: bool) -> tuple[Service, list[bytes]]:
    """Send the pieces of several clients at once, then a control of another client."""
    service = Service()
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: problems.append(about))
    with TemporaryDirectory() as folder:
        journal = Path(folder, "events.jsonl")
        server = ControlServer(journal, service.apply, lambda: 7)
        assert await server.open() == ""
        path = socket_path(journal)
        replies = await asyncio.gather(*(send(path, chunks, half=half) for chunks in clients))
        count = len(service.applied)
        answer = await send(path, [encode_json(Resume()), b"\n"], half=True)
        assert msgspec.json.decode(answer, type=ControlReply) == ControlReply(seq=7)
        assert service.applied[count:][-1:] == [Resume()]
        server.close()
        await asyncio.sleep(0)
        assert list(Path(folder).iterdir()) == []
    assert problems == []
    return service, replies


def expected_of(chunks: list[bytes]) -> Control | None:
    """Return the control that the first line of a connection is; None if it is none."""
    line, newline, _ = b"".join(chunks).partition(b"\n")
    if not newline or len(line) >= MAX_LINE_BYTES:
        return None
    try:
        control: Control = msgspec.json.decode(line, type=Control)
    except (ValueError, RecursionError):
        return None
    return None if Service().apply(control) else control


@pytest.mark.stress
@fuzz(60)
@given(st.lists(CHUNKS, min_size=1, max_size=4), st.booleans())
def test_control_server_under_any_bytes_applies_valid_controls_alone(
    clients: list[list[bytes]], half: bool
) -> None:
    clients = [[*map(expand, chunks)] for chunks in clients]
    with limited(), pytest.MonkeyPatch.context() as patched:
        logged: list[logging.LogRecord] = []
        patched.setattr(logging.Logger, "handle", lambda _, record: logged.append(record))
        service, replies = asyncio.run(exchange(clients, half))
    assert logged == []
    valid = [control for chunks in clients if (control := expected_of(chunks))]
    extra = [control for control in service.applied[:-1] if control not in valid]
    assert extra == []
    for reply in filter(None, replies):
        assert len(reply) < MAX_LINE_BYTES
        assert msgspec.json.decode(reply, type=ControlReply).seq == 7


@pytest.mark.stress
@fuzz(4)
@given(st.integers(65, 200), LINES)
def test_control_server_with_too_many_connections_goes_on(count: int, line: bytes) -> None:
    with limited():
        asyncio.run(_crowd(count, expand(line.replace(b"\n", b""))))


async def _crowd(count: int, line: bytes) -> None:
    """Open connections that send half a line; then the server serves a client again."""
    service = Service()
    with TemporaryDirectory() as folder:
        journal = Path(folder, "events.jsonl")
        server = ControlServer(journal, service.apply, lambda: 7)
        assert await server.open() == ""
        path = socket_path(journal)
        clients = [await asyncio.open_unix_connection(path) for _ in range(count)]
        for _, writer in clients:
            writer.write(line)
        await asyncio.sleep(0)
        for _, writer in clients:
            writer.transport.abort()
        await asyncio.sleep(0.01)
        assert await send(path, [encode_json(Pause()), b"\n"], half=True)
        server.close()
        await asyncio.sleep(0)
    assert service.applied == [Pause()]
