"""Start and end all processes of a pool. No other module starts processes.

A hook leads a session and a process group of its own, has no stdin, and writes to the log of its
build. When it ends, its group is killed, and so are the processes that left the group (strays): on
Linux the pool's process adopts orphans (PR_SET_CHILD_SUBREAPER), so strays become its children. A
stray belongs to a build by its session, by a marker in its environment, or because a sample has
seen it below the hook. All are reaped. If the pool itself is killed, a watchdog process does the
same, by the marker alone.
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

    from pool.common.model import BuildKey

    OwnerLookup: TypeAlias = Callable[[int, float], BuildKey | None]

__all__ = [
    "Command",
    "Process",
    "ProcessSupervisor",
    "capture_output",
    "marker_variables",
    "no_owner",
]

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A process to start for a build."""

    build: BuildKey
    argv: Sequence[str]
    cwd: Path
    environ: Mapping[str, str]
    log: Path
    """Standard output and error are appended to it."""
    fds: tuple[int, ...] = ()
    """Descriptors that it inherits."""


def marker_variables(supervisor_id: str, build: BuildKey | None = None) -> dict[str, str]:
    """Return the environment variables that mark the processes of a supervisor or of one build."""
    variables = {"WHEELPOOL_SUPERVISOR": supervisor_id}
    return variables if build is None else {**variables, "WHEELPOOL_BUILD": str(build)}


def no_owner(_pid: int, _started: float) -> BuildKey | None:
    """Look up the build of a process without any samples: there is none."""
    return None


class ProcessSupervisor:
    """All processes of one pool. Threads that wait for hooks may use it at the same time.

    Args:
        supervisor_id: marks the processes; unique on the machine.
        owner_of: returns the build below whose hook a process was seen, given its pid and its start
            in the kernel's clock ticks. It is called from the threads that wait for hooks.
    """

    def __init__(self, supervisor_id: str, owner_of: OwnerLookup = no_owner) -> None:
        self._id = supervisor_id
        self._owner_of = owner_of
        self._lock = threading.Lock()
        self._leaders: set[int] = set()
        """Children that are no strays: running hooks and the watchdog."""
        _adopt_orphans()
        self._watchdog, self._pipe = _start_watchdog(supervisor_id)
        self._leaders.add(self._watchdog.pid)

    def start(self, command: Command) -> Process:
        """Start a hook.

        Raises:
            OSError: it cannot be started, or its log cannot be opened.
        """
        environ = {**command.environ, **marker_variables(self._id, command.build)}
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
        self._send_to_watchdog(f"+{popen.pid}")
        return Process(self, popen, command.build)

    def reap(self, pid: int) -> tuple[int, int]:
        """Wait for a hook and kill its group; return its wait status and its peak.

        On Linux the group is killed before the hook is reaped: a zombie keeps its pid, so the group
        cannot be another process's by then.
        """
        if sys.platform == "linux":
            _wait_for_end(pid)
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

    def end_strays(self, pid: int, build: BuildKey) -> None:
        """Kill and reap all processes that a reaped hook has left."""
        with self._lock:
            self._leaders.discard(pid)
        self._send_to_watchdog(f"-{pid}")
        not_killed: set[int] = set()
        # The children of a killed process are adopted then: repeat until there are none.
        while strays := self._find_strays(pid, build) - not_killed:
            not_killed |= {stray for stray in strays if not self._kill_stray(stray)}

    def _find_strays(self, session: int, build: BuildKey) -> set[int]:
        """Return the adopted orphans of a build."""
        # The kernel's list may omit a child while another is reaped (proc(5)).
        with self._lock:
            children = [child for child in _list_children() if child not in self._leaders]
        return {child for child in children if self._belongs_to(child, session, build)}

    def _belongs_to(self, pid: int, session: int, build: BuildKey) -> bool:
        """Return whether an orphan is of the hook's session, was seen below it, or has its mark."""
        mark = os.fsencode(f"WHEELPOOL_BUILD={build}")
        folder = Path("/proc", str(pid))
        try:
            # After the command in parentheses: state, ppid, pgrp, session (proc_pid_stat(5)).
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[3]) == session or self._owner_of(pid, float(fields[19])) == build:
                return True
            return mark in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def _kill_stray(self, stray: int) -> bool:
        """Kill and reap a child; return whether that was possible."""
        try:
            os.kill(stray, signal.SIGKILL)
        except OSError:
            return False  # It has become another user's (setuid), and cannot be killed.
        _wait_for_end(stray)
        with self._lock:
            os.waitpid(stray, 0)
        return True

    def _send_to_watchdog(self, line: str) -> None:
        # A killed watchdog is only missed if the pool is killed, too.
        with suppress(OSError):
            os.write(self._pipe, f"{line}\n".encode())

    def close(self) -> None:
        """End the watchdog. No hook may run any more."""
        self._send_to_watchdog("done")
        os.close(self._pipe)
        self._watchdog.wait()


class Process:
    """The process of one hook, until all its processes are gone."""

    def __init__(
        self, supervisor: ProcessSupervisor, popen: subprocess.Popen[bytes], build: BuildKey
    ) -> None:
        self._supervisor = supervisor
        self._popen = popen
        self._build = build
        # A child starts with its parent's peak (getrusage(2)): a lower value means nothing.
        self._inherited_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.pid = popen.pid
        self.peak = 0
        """Bytes: the largest resident size of any one process in its tree; 0 if it stayed small."""

    def wait(self) -> int:
        """Wait for its end and end its strays; return the exit code, negative for a signal."""
        status, peak = self._supervisor.reap(self.pid)
        # Popen must not wait for the pid: another process may have it by now.
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        unit = 1024 if sys.platform == "linux" else 1
        self.peak = peak * unit if peak > self._inherited_peak else 0
        self._supervisor.end_strays(self.pid, self._build)
        return self._popen.returncode

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, unless the hook was reaped."""
        self._supervisor.signal(self.pid, number)


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait_for_end(pid: int) -> None:
    """Wait for a child without reaping it."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _kill_group(leader: int) -> None:
    with suppress(OSError):
        os.killpg(leader, signal.SIGKILL)


def _start_watchdog(supervisor_id: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start the watchdog; return it with the writing end of its pipe, which only the pool has."""
    script = Path(__file__).with_name("watchdog.py")
    reading_end, writing_end = os.pipe()
    watchdog = subprocess.Popen(
        [sys.executable, "-I", "-S", str(script), supervisor_id],
        stdin=reading_end,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(reading_end)
    return watchdog, writing_end


def capture_output(argv: Sequence[str], *, environ: Mapping[str, str], timeout: float) -> str:
    """Run a short command that is no hook and return its standard output.

    Raises:
        subprocess.SubprocessError: it failed or took longer than ``timeout`` seconds.
        OSError: it cannot be started.
    """
    completed = subprocess.run(
        list(argv),
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=True,
        # Ctrl-C in the terminal is for wheelpool; the command may finish.
        start_new_session=True,
    )
    return completed.stdout


def _list_children() -> Iterator[int]:
    """Yield the pool's children with the adopted ones; none on systems without a subreaper."""
    if sys.platform != "linux":
        return
    if not Path("/proc/thread-self/children").exists():  # CONFIG_PROC_CHILDREN
        with suppress(OSError, psutil.Error):
            yield from (child.pid for child in psutil.Process().children())
    # With too many open files the list is empty: then a stray lives until it ends by itself, or the
    # watchdog ends it. An error here would fail the build instead.
    with suppress(OSError):
        for thread in Path("/proc/self/task").iterdir():
            with suppress(OSError):
                yield from map(int, (thread / "children").read_bytes().split())
