"""The watchdog process: it ends the hooks of a pool that was killed or has crashed.

A script of its own, standard library only, started once per pool in a session of its own. It reads
lines from a pipe whose other end only the pool has: ``+PGID`` and ``-PGID`` when hooks start and
end, ``done`` at an orderly end. End of file without ``done`` means that the pool is gone: the
watchdog kills the groups that are left, then, on Linux, every process whose environment has the
marker of the pool, until there is none. It never kills any other process.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

ROUNDS = 50
"""A marked process may fork during a round; the next round finds its children."""
_PAUSE_SECONDS = 0.02


def main() -> None:
    """Read lines until the end of file, then kill the processes that are left."""
    marker = b"WHEELPOOL_SUPERVISOR=" + os.fsencode(sys.argv[1])
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        word = line.strip()
        if word == b"done":
            return
        if word[1:].isdigit():
            (groups.add if word[:1] == b"+" else groups.discard)(int(word[1:]))
    for group in groups:
        if _is_hook(group, marker):
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)
    for _ in range(ROUNDS):
        if not _kill_marked(marker):
            return
        time.sleep(_PAUSE_SECONDS)


def _is_hook(leader: int, marker: bytes) -> bool:
    """Exclude a reused pid. A group without its leader cannot be another's: its id is in use."""
    environ = _read_environ(leader)
    return environ is None or marker in environ


def _kill_marked(marker: bytes) -> bool:
    """Kill all processes with the marker; return whether there were any."""
    found = False
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit() and int(name) != os.getpid():
            environ = _read_environ(int(name))
            if environ and marker in environ:
                found = True
                with suppress(OSError):
                    os.kill(int(name), signal.SIGKILL)
    return found


def _read_environ(pid: int) -> list[bytes] | None:
    """Return the environment of a process; None if it is gone or another user's."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return None


if __name__ == "__main__":
    main()
