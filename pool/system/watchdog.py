"""Ends the hooks of a wheelpool that died without a word (SIGKILL, a crash of the interpreter).

A script of its own, standard library only, started once per pool in a session of its own. It reads
lines from a pipe whose other end only wheelpool has: ``+PGID`` and ``-PGID`` as hooks start and
end, ``done`` at an orderly end. End of file without ``done`` means that wheelpool is gone: it kills
the groups that are left, then, on Linux, every process whose environment has the run's marker,
until there is none. It never kills anything else.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

ROUNDS = 50
"""A process may fork while it is being looked for; each round finds the children of the last."""


def main() -> None:
    """Read until the end of file, then end what is left."""
    marker = b"WHEELPOOL_RUN=" + os.fsencode(sys.argv[1])
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        word = line.strip()
        if word == b"done":
            return
        if word[1:].isdigit():
            (groups.add if word[:1] == b"+" else groups.discard)(int(word[1:]))
    for group in groups:
        if _is_ours(group, marker):
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)
    for _ in range(ROUNDS):
        if not _kill_marked(marker):
            return
        time.sleep(0.02)


def _is_ours(leader: int, marker: bytes) -> bool:
    """Guard against a reused pid; a group whose leader is gone cannot be anybody else's."""
    environ = _environ(leader)
    return environ is None or marker in environ


def _kill_marked(marker: bytes) -> bool:
    found = False
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit() and int(name) != os.getpid():
            environ = _environ(int(name))
            if environ and marker in environ:
                found = True
                with suppress(OSError):
                    os.kill(int(name), signal.SIGKILL)
    return found


def _environ(pid: int) -> list[bytes] | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return None


if __name__ == "__main__":
    main()
