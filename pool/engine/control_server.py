"""The door of a run: a Unix socket beside its journal, through which other processes command it.

Open from the run's beginning to its end; it costs nothing while nobody comes. It belongs to the
engine's loop and has no tasks: a visit is one line in, one line out (`pool.events.control_socket`). Whatever comes
in, a visitor can do no more than what a `Control` says: who sends nothing, too much or nonsense,
or is another user, is shown out.
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
from pool.events.control_socket import (
    MAX_LINE_BYTES,
    ControlReply,
    control_decoder,
    is_same_user,
    short_path,
    socket_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pool.common.controls import Control

__all__ = ["ControlServer"]

_MOST_VISITS = 64
"""At once: an end to the descriptors that visitors can cost."""
_LONGEST_WORDS = 500
"""Characters of an answer, which may repeat what the visitor said: it has to fit into a line."""
_PATIENCE_SECONDS = 10.0
"""For a visitor to say its line, and to take the answer."""


class ControlServer:
    """Lets commands in.

    Args:
        journal: the run's, beside which the socket is.
        obey: called with each command; returns why it is refused, or an empty text.
        seq: tells the number of the newest event.
    """

    def __init__(
        self, journal: Path, obey: Callable[[Control], str], seq: Callable[[], int]
    ) -> None:
        self.path = socket_path(journal)
        self._obey = obey
        self._seq = seq
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._visits: set[_Connection] = set()

    async def open(self) -> str:
        """Let visitors in; return why that cannot be, or an empty text."""
        try:
            bound = self._bound()
        except OSError as problem:
            why = os_error_text(problem)
            return f"no commands from outside: {self.path}: {why}"
        self._inode = self.path.stat().st_ino
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._visit, sock=bound)
        return ""

    def close(self) -> None:
        """Show everybody out, and take the socket away if it is still the own one."""
        if self._server is None:
            return
        self._server.close()
        for visit in list(self._visits):
            visit.leave()
        with suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()

    def _bound(self) -> socket.socket:
        """Return the socket with its name, for its owner alone; nobody is let in yet."""
        folder = self.path.parent.stat()
        if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
            # Anybody could put another socket in its place.
            raise PermissionError(errno.EPERM, "everybody may write in the folder")
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_path(self.path) as path:
                _bind(bound, path)
                # Until somebody listens, whoever comes is refused: there is no moment in between.
                os.chmod(path, 0o600)  # noqa: PTH101 - by the short path
        except BaseException:
            bound.close()
            raise
        return bound

    def _visit(self) -> asyncio.Protocol:
        return _Connection(self)

    def admit(self, visit: _Connection) -> bool:
        """Enter a visit, unless there are too many."""
        if len(self._visits) >= _MOST_VISITS:
            return False
        self._visits.add(visit)
        return True

    def forget(self, visit: _Connection) -> None:
        """A visit has ended."""
        self._visits.discard(visit)

    def answer(self, line: bytes) -> ControlReply:
        """Obey a command, or say why not."""
        try:
            control = control_decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as problem:
            refused = f"no command: {problem}"
        else:
            refused = self._obey(control)
        return ControlReply(seq=self._seq(), refused=refused[:_LONGEST_WORDS])


def _bind(bound: socket.socket, path: str) -> None:
    """Give a socket its name; one that a killed run has left there is replaced."""
    try:
        bound.bind(path)
    except OSError as problem:
        if problem.errno != errno.EADDRINUSE or not _forsaken(path):
            raise
        os.unlink(path)  # noqa: PTH108 - by the short path
        bound.bind(path)


def _forsaken(path: str) -> bool:
    """Tell whether a socket is nobody's any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visit:
        visit.setblocking(False)
        try:
            visit.connect(path)
        except ConnectionRefusedError:
            return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116 - by the short path
        except OSError:
            return False
    return False


class _Connection(asyncio.Protocol):
    """One line in, one line out."""

    def __init__(self, door: ControlServer) -> None:
        self._door = door
        self._said = b""
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is at the door."""
        self._transport = cast("asyncio.Transport", transport)
        if not is_same_user(transport.get_extra_info("socket")) or not self._door.admit(self):
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(_PATIENCE_SECONDS, self.leave)

    def data_received(self, data: bytes) -> None:
        """Wait for the whole line; what follows it is not read."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        line, whole, _ = (self._said + data).partition(b"\n")
        if whole and len(line) < MAX_LINE_BYTES:
            transport.write(msgspec.json.encode(self._door.answer(line)) + b"\n")
            transport.close()
        elif whole or len(line) >= MAX_LINE_BYTES:
            transport.abort()
        else:
            self._said = line

    def leave(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._patience is not None:
            self._patience.cancel()
        self._door.forget(self)
