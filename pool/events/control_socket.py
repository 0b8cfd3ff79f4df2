"""The control socket of a run: its protocol for both ends, and the client.

Each run has a Unix stream socket beside its journal. A connection carries one command: the client
sends a line of JSON, a `Control`; the run answers with a line, a `ControlReply`, and closes the
connection. The effects of a command are in the journal, up to the event that the reply names.
Events are deliberately not sent: the journal has them anyway, so readers cost the run nothing.

Both ends check that the other process belongs to the same user.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pool.common.errors import RunError, os_error_text
from pool.common.json import encode_json
from pool.events.controls import Control
from pool.events.journal import JOURNAL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MAX_LINE_BYTES",
    "ControlReply",
    "control_decoder",
    "is_same_user",
    "send_control",
    "short_path",
    "socket_path",
]

MAX_LINE_BYTES = 4096
"""Of a command, with its newline. The longest command has about a hundred."""
_TIMEOUT_SECONDS = 10.0
_MAX_PATH_BYTES = 100
"""All systems accept socket paths of this length: Linux 108 with the final zero, macOS 104."""
_DESCRIPTORS = Path("/proc/self/fd")


class ControlReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reply of a run to a command."""

    seq: int
    """The number of the newest event after the command was executed."""
    refused: str = ""
    """Why the command was rejected, in one line; empty if it was executed."""


control_decoder = msgspec.json.Decoder(Control)
_reply_decoder = msgspec.json.Decoder(ControlReply)


def socket_path(journal: Path) -> Path:
    """Return the socket that belongs to a journal file."""
    if journal.name == JOURNAL_NAME:
        return journal.with_name("run.sock")
    return journal.with_suffix(".sock")


def send_control(journal: Path, control: Control) -> ControlReply:
    """Send a command to the run that writes a journal; return its reply.

    Raises:
        RunError: the run has no socket, does not answer, or belongs to another user.
    """
    path = socket_path(journal)
    try:
        return _exchange(path, control)
    except FileNotFoundError as problem:
        raise RunError(
            f"{journal}: the run takes no commands: it has ended, or could not open its socket"
        ) from problem
    except ConnectionRefusedError as problem:
        raise RunError(f"{journal}: no answer: the run was killed") from problem
    except TimeoutError as problem:
        raise RunError(f"{journal}: the run does not answer: it is stopped, or busy") from problem
    except (msgspec.DecodeError, UnicodeDecodeError, ConnectionError) as problem:
        raise RunError(
            f"{journal}: the run closed the connection: it ended, or has too many connections"
        ) from problem
    except OSError as problem:
        raise RunError(f"{path}: {os_error_text(problem)}") from problem


def _exchange(path: Path, control: Control) -> ControlReply:
    """Send the command on a new connection and return the reply."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        with short_path(path) as address:
            connection.connect(address)
        if not is_same_user(connection) or path.stat().st_uid != os.geteuid():
            raise RunError(f"{path}: the run belongs to another user")
        connection.sendall(encode_json(control) + b"\n")
        return _reply_decoder.decode(_receive_line(connection))


def _receive_line(connection: socket.socket) -> bytes:
    """Return all bytes until the other end closes the connection."""
    received = b""
    while (part := connection.recv(MAX_LINE_BYTES)) and len(received) < MAX_LINE_BYTES:
        received += part
    return received


def is_same_user(connection: socket.socket) -> bool:
    """Return whether the other end is a process of this user (``SO_PEERCRED``, `unix(7)`).

    On systems without that option, the mode of the socket file has to suffice.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    layout = "3i"
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(layout))
    _pid, uid, _gid = struct.unpack(layout, peer)
    return bool(uid == os.geteuid())


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Provide a path of the socket that is short enough for any folder.

    A long path goes through a descriptor of the folder: ``/proc/self/fd/7/run.sock``. Without
    ``/proc`` the path stays long, and the system rejects it.
    """
    if len(os.fsencode(path)) <= _MAX_PATH_BYTES or not _DESCRIPTORS.exists():
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield str(_DESCRIPTORS / str(folder) / path.name)
    finally:
        os.close(folder)
