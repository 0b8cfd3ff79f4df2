"""A visit to a run that another process has: where its door is, and one command passed through it.

The wire, for both ends: a Unix stream socket beside the journal. One visit is one command: a line
of JSON, a `Control`, and a line back, an `ControlReply`; then the run hangs up. What came of a command
is in the journal, up to the event that the answer names. Deliberately no events on the wire: they
are written anyway, and whoever only looks on costs the run nothing.

Both ends look at who is at the other: a door is its owner's alone.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pool.common.controls import Control
from pool.common.errors import RunError, os_error_text
from pool.events.journal import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "LONGEST_LINE",
    "ControlReply",
    "controls",
    "is_ours",
    "reachable",
    "send_control",
    "socket_path",
]

LONGEST_LINE = 4096
"""Bytes of a command, with its newline; the longest there is has a hundred."""
_PATIENCE_SECONDS = 10.0
_FITS = 100
"""Bytes of a path that every system takes as a socket's: Linux 108 with the end, macOS 104."""
_DESCRIPTORS = Path("/proc/self/fd")


class ControlReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run says to a command."""

    seq: int
    """The number of the newest event when the command had been obeyed."""
    refused: str = ""
    """Why it was not obeyed, in one line; empty if it was."""


controls = msgspec.json.Decoder(Control)
_encoder = msgspec.json.Encoder()
_answers = msgspec.json.Decoder(ControlReply)


def socket_path(journal: Path) -> Path:
    """Return the socket that belongs to a journal file, as its logs do."""
    if journal.name == EVENTS:
        return journal.with_name("run.sock")
    return journal.with_suffix(".sock")


def send_control(journal: Path, control: Control) -> ControlReply:
    """Pass a command to the run that writes a journal; return its answer.

    Raises:
        RunError: it has no door, or nobody answers, or the door is somebody else's.
    """
    door = socket_path(journal)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visit:
            visit.settimeout(_PATIENCE_SECONDS)
            with reachable(door) as path:
                visit.connect(path)
            if not is_ours(visit) or door.stat().st_uid != os.geteuid():
                raise RunError(f"{door}: the run is somebody else's")
            visit.sendall(_encoder.encode(control) + b"\n")
            return _answers.decode(_line(visit))
    except FileNotFoundError as problem:
        raise RunError(
            f"{journal}: the run takes no commands: it has ended, or could not open its socket"
        ) from problem
    except ConnectionRefusedError as problem:
        raise RunError(f"{journal}: nobody answers: the run was killed") from problem
    except TimeoutError as problem:
        raise RunError(f"{journal}: the run does not answer: it is stopped, or busy") from problem
    except (msgspec.DecodeError, ConnectionError) as problem:
        raise RunError(
            f"{journal}: the run hung up: it ended, or has too many visitors"
        ) from problem
    except OSError as problem:
        raise RunError(f"{door}: {os_error_text(problem)}") from problem


def _line(visit: socket.socket) -> bytes:
    """Return what comes until the other end hangs up."""
    said = b""
    while (more := visit.recv(LONGEST_LINE)) and len(said) < LONGEST_LINE:
        said += more
    return said


def is_ours(visit: socket.socket) -> bool:
    """Tell whether the other end is a process of this user (``SO_PEERCRED``, `unix(7)`).

    Where the system does not tell, the socket's mode has to be enough.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    form = "3i"
    told = visit.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(form))
    _pid, uid, _gid = struct.unpack(form, told)
    return bool(uid == os.geteuid())


@contextmanager
def reachable(door: Path) -> Iterator[str]:
    """Give a path for the socket that is short enough, whatever the folder is called.

    A long one goes by way of the folder's descriptor, ``/proc/self/fd/7/run.sock``. Where there is
    no ``/proc`` it stays as long as it is, and the system refuses it.
    """
    if len(os.fsencode(door)) <= _FITS or not _DESCRIPTORS.exists():
        yield str(door)
        return
    folder = os.open(door.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield str(_DESCRIPTORS / str(folder) / door.name)
    finally:
        os.close(folder)
