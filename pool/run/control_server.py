"""Control server of a run: a Unix socket next to the journal, for commands of other processes.

Each connection sends one JSON line (a `Control`) and gets one JSON line back, a `ControlReply`
(`pool.events.control_socket`). Connections from other users, malformed or oversized requests, and
idle clients are closed. A connection can do no more than a `Control` can say.

The server belongs to the event loop of the run and has no tasks. It costs nothing without a
connection.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import msgspec

from pool.common.errors import os_error_text
from pool.common.json import encode_json
from pool.common.model import LimitName
from pool.events.control_socket import (
    MAX_LINE_BYTES,
    ControlReply,
    control_decoder,
    is_same_user,
    short_path,
    socket_path,
)
from pool.events.controls import Cancel, Resize, Retry
from pool.events.queries import find_retryable
from pool.settings import MAX_BUILDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pool.events.controls import Control
    from pool.events.state import RunState

__all__ = ["ControlServer", "reject_reason"]

_MAX_CONNECTIONS = 64
"""Open at once: bounds the descriptors that clients can use up."""
_MAX_REASON = 500
"""Characters: the reason can repeat the request, and the reply must fit into a line."""
_TIMEOUT_SECONDS = 10.0
"""For a client to send its line and to take the reply."""
_MAX_BYTES = 1 << 60
"""More memory than any machine has, and a number that the journal can hold."""


def reject_reason(control: Control, state: RunState, *, stopping: bool) -> str:
    """Return why a run cannot apply a control now; empty if it can.

    Controls of the own screen are not checked: one that comes too late is ignored there.
    """
    match control:
        case Resize():
            return _invalid_value(control)
        case Cancel(build=build) | Retry(build=build) if build not in state.builds:
            return f"there is no build {build}"
        case Cancel(build=build) if outcome := state.builds[build].outcome:
            return f"{state.builds[build].label} has ended: {outcome}"
        case Retry() if stopping:
            return "the run is ending"
        case Retry(build=build) if not find_retryable(state, build):
            return f"{state.builds[build].label} did not fail, or was retried"
        case _:
            return ""


def _invalid_value(control: Resize) -> str:
    """Return why a limit cannot have the value; a relative change is clamped instead."""
    value, limit = control.value, control.limit
    if limit is LimitName.MEMORY:
        valid = 0 <= (value or 0) <= _MAX_BYTES and abs(control.by) <= _MAX_BYTES
        return "" if valid else "memory: no machine has that much"
    valid = value is None or 1 <= value <= MAX_BUILDS
    return "" if valid else f"{limit}: the limit must be between 1 and {MAX_BUILDS}, not {value}"


class ControlServer:
    """Accepts controls of other processes.

    Args:
        journal: the journal of the run; the socket is next to it.
        apply: called with each control; returns why it is rejected, or an empty text.
        last_seq: returns the number of the newest event.
    """

    def __init__(
        self, journal: Path, apply: Callable[[Control], str], last_seq: Callable[[], int]
    ) -> None:
        self.path = socket_path(journal)
        self._apply = apply
        self._last_seq = last_seq
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._closed = False
        self._connections: set[_Connection] = set()

    async def open(self) -> str:
        """Listen; return why that is not possible, or an empty text."""
        try:
            bound = self._bind()
        except OSError as problem:
            reason = os_error_text(problem)
            return f"no controls from other processes: {self.path}: {reason}"
        self._inode = self.path.stat().st_ino
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=bound)
        return ""

    def close(self) -> None:
        """Close all connections, and remove the socket unless another one has replaced it."""
        self._closed = True
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        with suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()

    def _bind(self) -> socket.socket:
        """Return the socket, bound, for its owner alone; it does not listen yet."""
        folder = self.path.parent.stat()
        if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
            # Any user could put another socket in its place.
            raise PermissionError(errno.EPERM, "every user may write to the folder")
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_path(self.path) as path:
                _bind_path(bound, path)
                # Connections are refused until the socket listens, so no client comes before this.
                os.chmod(path, 0o600)  # noqa: PTH101 - by the short path
        except BaseException:
            bound.close()
            raise
        return bound

    def add(self, connection: _Connection) -> bool:
        """Add a connection; return False if there are too many, or the server is closed."""
        # asyncio may have accepted a connection before the server was closed.
        if self._closed or len(self._connections) >= _MAX_CONNECTIONS:
            return False
        self._connections.add(connection)
        return True

    def remove(self, connection: _Connection) -> None:
        """Remove a connection that is closed."""
        self._connections.discard(connection)

    def reply(self, line: bytes) -> ControlReply:
        """Apply the control of a line, or reject it."""
        try:
            control = control_decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            reason = f"not a control: {problem}"
        else:
            reason = self._apply(control)
        return ControlReply(seq=self._last_seq(), refused=reason[:_MAX_REASON])


def _bind_path(bound: socket.socket, path: str) -> None:
    """Bind a socket to a path; replace a socket that a killed run has left."""
    try:
        bound.bind(path)
    except OSError as problem:
        if problem.errno != errno.EADDRINUSE or not _is_stale(path):
            raise
        os.unlink(path)  # noqa: PTH108 - by the short path
        bound.bind(path)


def _is_stale(path: str) -> bool:
    """Return whether no process listens on a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116 - by the short path
        except OSError:
            return False
    return False


class _Connection(asyncio.Protocol):
    """One line in, one line out."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a client of this user; close the connection of any other."""
        self._transport = cast("asyncio.Transport", transport)
        if not is_same_user(transport.get_extra_info("socket")) or not self._server.add(self):
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._timeout = loop.call_later(_TIMEOUT_SECONDS, self.abort)

    def data_received(self, data: bytes) -> None:
        """Collect the line; bytes after it are not read."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        line, newline, _ = (self._received + data).partition(b"\n")
        if newline and len(line) < MAX_LINE_BYTES:
            transport.write(encode_json(self._server.reply(line)) + b"\n")
            transport.close()
        elif newline or len(line) >= MAX_LINE_BYTES:
            transport.abort()
        else:
            self._received = line

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._timeout is not None:
            self._timeout.cancel()
        self._server.remove(self)
