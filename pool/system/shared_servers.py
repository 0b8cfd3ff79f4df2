"""Servers that a build started and that other processes use: compiler caches, compile servers.

A build tool starts such a server when there is none yet, and it serves all later clients on the
machine. So it is not ended with the build that happened to start it: a known server never, any
other one not while a client is connected. Sockets are read from proc(5); on other systems no
process counts as a server.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["has_clients", "is_known_server"]

_KNOWN_SERVERS = frozenset({
    "sccache", "sccache-dist", "ccache", "distccd", "iceccd", "icecc-scheduler", "buildcache",
    "goma_ctl", "compiler_proxy", "reproxy", "watchman", "bazel",
})  # fmt: skip
"""Names of executables; their clients can have the same name, but do not listen."""
_LISTENING_FLAG = 0x10000
"""``__SO_ACCEPTCON`` in /proc/net/unix."""
_TCP_LISTENING, _TCP_ESTABLISHED, _UNIX_CONNECTED = "0A", "01", "03"


def is_known_server(pid: int) -> bool:
    """Return whether a process is a server of a known kind, which other users may share."""
    try:
        name = Path("/proc", str(pid), "comm").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return False
    return name in _KNOWN_SERVERS and bool(_endpoints(pid)[0])


def has_clients(pid: int) -> bool:
    """Return whether a process listens on a socket to which a client is connected."""
    listening, connected = _endpoints(pid)
    return not listening.isdisjoint(connected)


def _endpoints(pid: int) -> tuple[set[str], set[str]]:
    """Return the addresses on which a process listens, and those on which it has clients."""
    own = _socket_inodes(pid)
    if not own:
        return set(), set()
    sockets = [*_unix_sockets(pid, own), *_tcp_sockets(pid, own)]
    listening = {address for address, listens in sockets if listens}
    return listening, {address for address, listens in sockets if not listens}


def _unix_sockets(pid: int, own: set[str]) -> Iterator[tuple[str, bool]]:
    """Yield the path of each listening or connected socket, and whether it listens.

    An accepted socket has the path of the listening one.
    """
    # Num RefCount Protocol Flags Type St Inode Path (proc_net(5))
    for fields in _read_table(pid, "unix"):
        if len(fields) > 7 and fields[6] in own:
            listens = bool(int(fields[3], 16) & _LISTENING_FLAG)
            if listens or fields[5] == _UNIX_CONNECTED:
                yield fields[7], listens


def _tcp_sockets(pid: int, own: set[str]) -> Iterator[tuple[str, bool]]:
    """Yield the local port of each listening or connected socket, and whether it listens."""
    for fields in [*_read_table(pid, "tcp"), *_read_table(pid, "tcp6")]:
        if len(fields) > 9 and fields[9] in own and fields[3] in (_TCP_LISTENING, _TCP_ESTABLISHED):
            yield fields[1].rpartition(":")[2], fields[3] == _TCP_LISTENING


def _socket_inodes(pid: int) -> set[str]:
    inodes = set()
    with suppress(OSError):
        for entry in Path("/proc", str(pid), "fd").iterdir():
            with suppress(OSError):
                target = str(entry.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    return inodes


def _read_table(pid: int, name: str) -> list[list[str]]:
    try:
        lines = Path("/proc", str(pid), "net", name).read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.split() for line in lines[1:]]
