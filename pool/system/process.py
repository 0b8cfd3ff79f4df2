"""The only place where processes start, and the one that sees them all to their end.

A hook leads a session and a process group of its own, with no stdin, and writes to its build's
log file. When it ends, by itself or not, its group is killed, and so is what left the group: on
Linux the pool's process adopts orphans (PR_SET_CHILD_SUBREAPER), so they turn up as children of
ours, and a marker in their environment tells whose they were, or somebody who saw them below the
hook. All are reaped. A watcher process does the same, by the marker alone, if the pool is killed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from pool.common.model import BuildId, RunId

    Witness: TypeAlias = Callable[[int, float], BuildId | None]

__all__ = ["Command", "Process", "ProcessSupervisor", "answer_of", "marker", "nobody"]

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start, and whose it is."""

    build: BuildId
    argv: Sequence[str]
    cwd: Path
    environ: Mapping[str, str]
    log: Path
    """Standard output and error are appended to it."""
    fds: tuple[int, ...] = ()
    """Descriptors that it inherits."""


def marker(run: RunId, build: BuildId | None = None) -> dict[str, str]:
    """Return the variables by which processes are known to be ours."""
    whose = {"WHEELPOOL_RUN": str(run)}
    return whose if build is None else {**whose, "WHEELPOOL_BUILD": f"{run}/{build}"}


def nobody(_pid: int, _started: float) -> BuildId | None:
    """Know of no process whose it is."""
    return None


class ProcessSupervisor:
    """All processes of one pool. Safe to use from the threads that wait for hooks.

    Args:
        run: marks them.
        whose: tells of a pid and a start, in the kernel's ticks, below which build's hook that
            process was seen; called from those threads.
    """

    def __init__(self, run: RunId, whose: Witness = nobody) -> None:
        self._run = run
        self._whose = whose
        self._lock = threading.Lock()
        self._leaders: set[int] = set()
        _adopt_orphans()
        self._watcher, self._pipe = _watcher(run)
        self._leaders.add(self._watcher.pid)

    def start(self, command: Command) -> Process:
        """Start a hook.

        Raises:
            OSError: it cannot be started, or its log cannot be opened.
        """
        environ = {**command.environ, **marker(self._run, command.build)}
        with command.log.open("ab") as log, self._lock:
            popen = subprocess.Popen(
                list(command.argv),
                cwd=command.cwd,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=command.fds,
                start_new_session=True,
            )
            self._leaders.add(popen.pid)
        self._tell(f"+{popen.pid}")
        return Process(self, popen, command.build)

    def reap(self, pid: int) -> tuple[int, int]:
        """Wait for a hook and kill its group; return its wait status and its peak.

        On Linux it is seen before it is reaped: a zombie keeps its pid, so the group that is
        killed cannot be anybody else's by then.
        """
        if sys.platform == "linux":
            _await_end(pid)
            with self._lock:
                _kill_group(pid)
                _, status, usage = os.wait4(pid, 0)
                self._leaders.discard(pid)
            return status, usage.ru_maxrss
        _, status, usage = os.wait4(pid, 0)
        _kill_group(pid)
        return status, usage.ru_maxrss

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a hook's group, unless the hook was reaped."""
        with self._lock:
            if pid in self._leaders:
                with suppress(OSError):
                    os.killpg(pid, number)

    def ended(self, pid: int, build: BuildId) -> None:
        """A hook was reaped: end and reap all that it left behind."""
        with self._lock:
            self._leaders.discard(pid)
        self._tell(f"-{pid}")
        immortal: set[int] = set()
        # Ending one makes its children ours: again, until there are none.
        while strays := self._strays(pid, build) - immortal:
            immortal |= {stray for stray in strays if not self._end(stray)}

    def _strays(self, session: int, build: BuildId) -> set[int]:
        """Return the orphans of a build that we have adopted."""
        # The kernel's list may skip one if another is reaped meanwhile (proc(5)).
        with self._lock:
            children = [child for child in _children() if child not in self._leaders]
        return {child for child in children if self._belongs(child, session, build)}

    def _belongs(self, pid: int, session: int, build: BuildId) -> bool:
        """Tell whether an orphan is of a hook's session, was seen below it, or has its mark."""
        mark = os.fsencode(f"WHEELPOOL_BUILD={self._run}/{build}")
        folder = Path("/proc", str(pid))
        try:
            # After the command in brackets: state, ppid, pgrp, session (proc_pid_stat(5)).
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[3]) == session or self._whose(pid, float(fields[19])) == build:
                return True
            return mark in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def _end(self, stray: int) -> bool:
        """Kill and reap a child of ours; tell if that could be done."""
        try:
            os.kill(stray, signal.SIGKILL)
        except OSError:
            return False  # It has become another user's (setuid); it ends when it likes.
        _await_end(stray)
        with self._lock:
            os.waitpid(stray, 0)
        return True

    def _tell(self, line: str) -> None:
        # If the watcher was killed, only the case that we are killed too is not looked after.
        with suppress(OSError):
            os.write(self._pipe, f"{line}\n".encode())

    def close(self) -> None:
        """Send the watcher home; there must be no hook left."""
        self._tell("done")
        os.close(self._pipe)
        self._watcher.wait()


class Process:
    """One hook's process, from its start until nothing of it is left."""

    def __init__(
        self, processes: ProcessSupervisor, popen: subprocess.Popen[bytes], build: BuildId
    ) -> None:
        self._processes = processes
        self._popen = popen
        self._build = build
        # A child begins with its parent's high-water mark (getrusage(2)): less says nothing.
        self._inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.pid = popen.pid
        self.peak = 0
        """Bytes: the largest resident size of any one process in its tree; 0 if it stayed small."""

    def wait(self) -> int:
        """Wait for its end and clean up after it; return the exit code, negative for a signal."""
        status, peak = self._processes.reap(self.pid)
        # Popen must not wait for a pid that may be somebody else's by now.
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        unit = 1024 if sys.platform == "linux" else 1
        self.peak = peak * unit if peak > self._inherited else 0
        self._processes.ended(self.pid, self._build)
        return self._popen.returncode

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, if it is still there."""
        self._processes.signal(self.pid, number)


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _await_end(pid: int) -> None:
    """Wait for a child without reaping it."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _kill_group(leader: int) -> None:
    with suppress(OSError):
        os.killpg(leader, signal.SIGKILL)


def _watcher(run: RunId) -> tuple[subprocess.Popen[bytes], int]:
    """Start the watcher; return it with the end of the pipe that only we have."""
    script = Path(__file__).with_name("watchdog.py")
    theirs, ours = os.pipe()
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", str(script), run],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs)
    return watcher, ours


def answer_of(argv: Sequence[str], *, environ: Mapping[str, str], timeout: float) -> str:
    """Run a short command of our own and return what it printed.

    Raises:
        subprocess.SubprocessError: it failed or took too long.
        OSError: it cannot be started.
    """
    done = subprocess.run(
        list(argv),
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=True,
        # Ctrl-C on the terminal is for wheelpool, which lets what it began come to its end.
        start_new_session=True,
    )
    return done.stdout


def _children() -> Iterator[int]:
    """Yield our own children, adopted ones among them; Linux only, nobody adopts elsewhere."""
    if sys.platform != "linux":
        return
    if not Path("/proc/thread-self/children").exists():  # CONFIG_PROC_CHILDREN
        yield from (child.pid for child in psutil.Process().children())
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            yield from map(int, (thread / "children").read_bytes().split())
