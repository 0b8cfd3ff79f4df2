"""Other processes that hold a lock, and a count of what this one has open."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pool.common.model import Holder

OPEN = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
if sys.argv[2] == "lock":
    fcntl.flock(fd, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def another(path: Path | str, what: str = "lock") -> Iterator[subprocess.Popen[str]]:
    """A process that has a path open, and locked unless told "look"; ended with the block."""
    with child(OPEN, [str(path), what]) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process


@contextmanager
def child(
    code: str, words: Sequence[str] = (), fds: Sequence[int] = ()
) -> Iterator[subprocess.Popen[str]]:
    """A Python process, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=tuple(fds),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def open_files() -> int:
    """How many descriptors this process has; 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def ignore(holder: Holder | None) -> None:
    """Take no notice of who holds it."""
