"""Start and end all processes of a pool. No other module starts processes.

A hook is executed, or it is a fork of a template process (`pool.build.frontend.warm`). It leads a
session and a process group of its own, has no stdin, and writes to the log of its build. When it
ends, its group is killed, and so are the processes that left the group (strays): on Linux the
pool's process adopts orphans (PR_SET_CHILD_SUBREAPER), so strays become its children. A stray
belongs to a build by its session, by a marker in its environment, because a sample has seen it
below the hook, or because no other build had a hook since it started. All are reaped. A stray that
no build is known for ends with the pool, if the process belongs to the pool. If the pool itself is
killed, a watchdog process does the same, by the marker alone.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pool.common.cancellation import check_cancelled
from pool.common.files import append_private
from pool.common.record import Record
from pool.system.shared_servers import has_clients, is_known_server
from pool.system.suspension import register_suspendable

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import IO, TypeAlias

    from pool.common.model import BuildKey

    OwnerLookup: TypeAlias = Callable[[int, float], BuildKey | None]
    Fork: TypeAlias = Callable[["Command", Mapping[str, str], IO[bytes]], "ForkedProcess"]

__all__ = [
    "Command",
    "ForkedProcess",
    "Process",
    "ProcessSupervisor",
    "capture_output",
    "marker_variables",
    "no_owner",
    "terminal_watched",
]

_PR_SET_CHILD_SUBREAPER = 36
_CHECK_SECONDS = 0.1
"""Between two looks whether the work of a thread is cancelled."""

_own_children: set[int] = set()
"""Children of `capture_output`, which are no strays of any pool in this process."""
_own_children_lock = threading.Lock()


class Command(Record, frozen=True, kw_only=True):
    """A process to start for a build."""

    build: BuildKey
    argv: Sequence[str]
    cwd: Path
    environ: Mapping[str, str]
    log: Path
    """Standard output and error are appended to it."""
    fds: tuple[int, ...] = ()
    """Descriptors that it inherits."""


class ForkedProcess(Record, frozen=True):
    """A hook that a template process has forked: a child of this process, by the subreaper."""

    pid: int
    connection: socket.socket
    """The hook runs once it is released, and ends if this closes before."""

    def release(self) -> None:
        """Let it run; the supervisor knows it now."""
        with self.connection, suppress(OSError):
            self.connection.send(b"g")


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
        owns_process: whether only the supervisor starts processes in this process, so that every
            unknown child is a stray.
    """

    def __init__(
        self,
        supervisor_id: str,
        owner_of: OwnerLookup = no_owner,
        *,
        owns_process: bool = False,
    ) -> None:
        self._id = supervisor_id
        self._owner_of = owner_of
        self._owns_process = owns_process
        self._lock = threading.Lock()
        self._leaders: set[int] = set()
        """Children that are no strays: running hooks, templates and the watchdog."""
        self._builds: dict[int, BuildKey] = {}
        """The builds of the running hooks, by pid."""
        self._sole_build: BuildKey | None = None
        """The only build that has had hooks since `_sole_since`; None if several have."""
        self._sole_since = 0
        self._servers: set[int] = set()
        """Strays that were left running because other processes use them."""
        self._closing = False
        """Clock ticks since the boot."""
        self._earlier_children = frozenset(_list_children())
        self.adopts_orphans = _adopt_orphans()
        """Whether this process is the parent of all descendants whose own parent has ended."""
        self._watchdog, self._pipe = _start_watchdog(supervisor_id)
        self._leaders.add(self._watchdog.pid)
        register_suspendable(self)

    def start(self, command: Command, fork: Fork | None = None) -> Process:
        """Start a hook.

        Args:
            command: the hook.
            fork: starts it in another way than by executing the command: gets the command, its
                complete environment, and its log.

        Raises:
            OSError: it cannot be started, or its log cannot be opened.
        """
        environ = {**command.environ, **marker_variables(self._id, command.build)}
        with append_private(command.log) as log, self._lock:
            self._update_sole_build(command.build)
            if fork is None:
                pid = _execute(command, environ, log)
                self._add_leader(pid, command.build)
            else:
                forked = fork(command, environ, log)
                pid = forked.pid
                self._add_leader(pid, command.build)
                forked.release()
        self._send_to_watchdog(f"+{pid}")
        # A child starts with its parent's peak (getrusage(2)): a lower value means nothing. A
        # template is small.
        inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if fork is None else 0
        return Process(self, pid, command.build, inherited)

    def _add_leader(self, pid: int, build: BuildKey) -> None:
        self._leaders.add(pid)
        self._builds[pid] = build

    def start_template(self, argv: Sequence[str], environ: Mapping[str, str], control: int) -> int:
        """Start a process that forks hooks; return its pid.

        Args:
            argv: its command line.
            environ: its environment.
            control: a descriptor that it inherits; it must end when the other end is closed.

        Raises:
            OSError: it cannot be started.
        """
        with self._lock:
            popen = subprocess.Popen(
                list(argv),
                env={**environ, **marker_variables(self._id)},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(control,),
                start_new_session=True,
            )
            popen.returncode = 0  # `end_template` reaps it.
            self._leaders.add(popen.pid)
        self._send_to_watchdog(f"+{popen.pid}")
        return popen.pid

    def end_template(self, pid: int) -> None:
        """Kill and reap a process that forked hooks, with forks that never became hooks."""
        with self._lock:
            _kill_and_reap(pid)
            self._leaders.discard(pid)
            # A fork leaves the session of its template just before it becomes a hook.
            while forks := [child for child in _list_children() if _session_of(child) == pid]:
                for fork in forks:
                    _kill_and_reap(fork)
        self._send_to_watchdog(f"-{pid}")

    def _update_sole_build(self, build: BuildKey) -> None:
        """Record that a build starts a hook: it may no longer be the only one."""
        if self._sole_build == build:
            return
        self._sole_build = None if set(self._builds.values()) - {build} else build
        self._sole_since = _clock_ticks()

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

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Stop the groups of all hooks for the length of a block; no hook is started meanwhile."""
        with self._lock:
            # SIGSTOP: the kernel discards SIGTSTP in a group that no shell controls.
            hooks = self._builds.keys() & self._leaders
            for pid in hooks:
                with suppress(OSError):
                    os.killpg(pid, signal.SIGSTOP)
            try:
                yield
            finally:
                for pid in hooks:
                    with suppress(OSError):
                        os.killpg(pid, signal.SIGCONT)

    def end_strays(self, pid: int, build: BuildKey) -> None:
        """Kill and reap all processes that a reaped hook has left."""
        with self._lock:
            self._leaders.discard(pid)
            self._builds.pop(pid, None)
        self._send_to_watchdog(f"-{pid}")
        self._kill_all(lambda: self._find_strays(pid, build))
        self._kill_all(self._find_unused_servers)

    def _kill_all(self, find: Callable[[], set[int]]) -> None:
        """Kill and reap strays until none is found."""
        spared: set[int] = set()
        # The children of a killed process are adopted then: repeat until there are none.
        while strays := find() - spared:
            servers = {stray for stray in strays if is_known_server(stray) or has_clients(stray)}
            # Once the other strays are gone, a server has no clients among them.
            ended = strays - servers or {one for one in servers if self._may_end(one)}
            spared |= {stray for stray in ended if not self._kill_stray(stray)}
            if not ended:
                spared |= servers
                self._servers |= servers

    def _may_end(self, server: int) -> bool:
        return self._closing and not is_known_server(server)

    def _find_unused_servers(self) -> set[int]:
        """Return the servers that were left to their clients and have none any more."""
        with self._lock:
            self._servers &= set(_list_children())
            return {pid for pid in self._servers if self._closing or not has_clients(pid)}

    def _find_strays(self, session: int, build: BuildKey) -> set[int]:
        """Return the adopted orphans of a build."""
        # The kernel's list may omit a child while another is reaped (proc(5)).
        with self._lock:
            children = self._list_orphans()
            since = self._sole_since if self._sole_build == build else None
        return {
            child
            for child in children
            if self._belongs_to(child, session, build)
            or (since is not None and self._is_unknown(child, since))
        }

    def _find_unknown(self) -> set[int]:
        """Return the adopted orphans that no build is known for."""
        with self._lock:
            return {pid for pid in self._list_orphans() if self._is_unknown(pid, 0)}

    def _list_orphans(self) -> list[int]:
        """Return the children that are neither hooks nor commands of this module."""
        with _own_children_lock:
            known = self._leaders | _own_children | self._earlier_children
            return [child for child in _list_children() if child not in known]

    def _is_unknown(self, pid: int, since: int) -> bool:
        """Return whether an orphan has no mark of another build and started since then."""
        if not self._owns_process:
            return False
        folder = Path("/proc", str(pid))
        try:
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            marked = b"WHEELPOOL_BUILD=" in (folder / "environ").read_bytes()
        except OSError:
            return False
        # Each hook has a session of its own, so no orphan is in the session of this process.
        return int(fields[3]) != os.getsid(0) and int(fields[19]) >= since and not marked

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
        """End the watchdog and the strays that are left. No hook may run any more."""
        self._closing = True
        self._kill_all(self._find_unused_servers)
        if self._owns_process:
            self._kill_all(
                lambda: {pid for pid in self._list_orphans() if self._is_unknown(pid, 0)}
            )
        self._send_to_watchdog("done")
        os.close(self._pipe)
        self._watchdog.wait()


class Process:
    """The process of one hook, until all its processes are gone."""

    def __init__(
        self, supervisor: ProcessSupervisor, pid: int, build: BuildKey, inherited_peak: int
    ) -> None:
        self._supervisor = supervisor
        self._build = build
        self._inherited_peak = inherited_peak
        self.pid = pid
        self.peak = 0
        """Bytes: the largest resident size of any one process in its tree; 0 if it stayed small."""

    def wait(self) -> int:
        """Wait for its end and end its strays; return the exit code, negative for a signal."""
        status, peak = self._supervisor.reap(self.pid)
        unit = 1024 if sys.platform == "linux" else 1
        self.peak = peak * unit if peak > self._inherited_peak else 0
        self._supervisor.end_strays(self.pid, self._build)
        return os.waitstatus_to_exitcode(status)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, unless the hook was reaped."""
        self._supervisor.signal(self.pid, number)


def _execute(command: Command, environ: Mapping[str, str], log: IO[bytes]) -> int:
    """Start a command in a session of its own; return its pid, which the caller reaps."""
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
    # Popen must not wait for the pid: another process may have it by then.
    popen.returncode = 0
    return popen.pid


def _adopt_orphans() -> bool:
    """Become the parent of orphans below this process; return whether the system can do that."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def _wait_for_end(pid: int) -> None:
    """Wait for a child without reaping it."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _kill_and_reap(child: int) -> None:
    with suppress(OSError):
        os.kill(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)


def _session_of(pid: int) -> int:
    """Return the session of a process, also of one that has ended and is not reaped; 0 if gone."""
    try:
        # After the command in parentheses: state, ppid, pgrp, session (proc_pid_stat(5)).
        return int(Path("/proc", str(pid), "stat").read_bytes().rpartition(b")")[2].split()[3])
    except OSError:
        return 0


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
    """Run a command that is no hook and return its standard output.

    In a thread whose work is cancelled, the command is ended (`pool.common.cancellation`).

    Raises:
        subprocess.SubprocessError: it failed or took longer than ``timeout`` seconds.
        OSError: it cannot be started.
    """
    with _own_children_lock:
        popen = subprocess.Popen(
            list(argv),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C in the terminal is for wheelpool.
            start_new_session=True,
        )
        _own_children.add(popen.pid)
    try:
        with popen:
            try:
                output, errors = _communicate(popen, timeout)
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(popen.pid, signal.SIGKILL)
                # Its output ends when the last process of its group has ended.
                with suppress(subprocess.TimeoutExpired):
                    popen.communicate(timeout=1.0)
                raise
    finally:
        _own_children.discard(popen.pid)
    if popen.returncode:
        raise subprocess.CalledProcessError(popen.returncode, list(argv), output, errors)
    return output


def _communicate(popen: subprocess.Popen[str], timeout: float) -> tuple[str, str]:
    """Read the output of a command to its end, unless the work of this thread is cancelled."""
    deadline = time.monotonic() + timeout
    while True:
        check_cancelled()
        try:
            return popen.communicate(timeout=min(_CHECK_SECONDS, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                raise


@contextmanager
def terminal_watched(terminal: int) -> Iterator[None]:
    """Let a process restore a terminal if this process is killed during the block.

    Args:
        terminal: a descriptor of the terminal, in the mode to restore. If it is none, or the
            process cannot be started, the block runs without it.
    """
    try:
        *mode, characters = termios.tcgetattr(terminal)
        watchdog, pipe = _start_terminal_watchdog(terminal)
    except (OSError, termios.error):
        yield
        return
    coded = [list(one) if isinstance(one, bytes) else one for one in characters]
    try:
        with suppress(OSError):
            os.write(pipe, json.dumps([*mode, coded]).encode() + b"\n")
        yield
    finally:
        with suppress(OSError):
            os.write(pipe, b"done\n")
        os.close(pipe)
        watchdog.wait()
        _own_children.discard(watchdog.pid)


def _start_terminal_watchdog(terminal: int) -> tuple[subprocess.Popen[bytes], int]:
    script = Path(__file__).with_name("terminal_watchdog.py")
    reading_end, writing_end = os.pipe()
    try:
        with _own_children_lock:
            watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", str(script)],
                stdin=reading_end,
                stdout=terminal,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            _own_children.add(watchdog.pid)
    except OSError:
        os.close(writing_end)
        raise
    finally:
        os.close(reading_end)
    return watchdog, writing_end


def _clock_ticks() -> int:
    """Return the clock ticks since the boot, the unit of process starts; 0 outside of Linux."""
    if sys.platform != "linux":
        return 0
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def _list_children() -> Iterator[int]:
    """Yield the pool's children with the adopted ones; none on systems without a subreaper."""
    if sys.platform != "linux":
        return
    if not Path("/proc/thread-self/children").exists():  # CONFIG_PROC_CHILDREN
        import psutil

        with suppress(OSError, psutil.Error):
            yield from (child.pid for child in psutil.Process().children())
    # With too many open files the list is empty: then a stray lives until it ends by itself, or the
    # watchdog ends it. An error here would fail the build instead.
    with suppress(OSError):
        for thread in Path("/proc/self/task").iterdir():
            with suppress(OSError):
                yield from map(int, (thread / "children").read_bytes().split())
