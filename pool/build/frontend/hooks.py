"""PEP 517 hooks, each in a process of its own, awaited from the pool's loop.

The protocol is pyproject_hooks'; what is here is the runner: where the process is started, how
it is ended, and what its ways to fail mean in words. A hook is plain data (`HookCall`), so it
could run elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller, HookMissing

from pool.build.frontend.diagnosis import diagnose
from pool.build.frontend.log_tail import last_lines
from pool.build.frontend.system_packages import for_module
from pool.common.errors import BackendError, ProjectError
from pool.system.process import Command, Process, ProcessSupervisor, no_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pool.common.model import BuildId, RunId

__all__ = [
    "Hook",
    "HookCall",
    "HookEnd",
    "HookFailedError",
    "HookResult",
    "HookRunner",
    "MissingHookError",
]

Hook = Literal[
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_wheel",
    "build_wheel",
    "get_requires_for_build_editable",
    "build_editable",
]


class MissingHookError(BackendError):
    """The backend has no such hook; there may be another way."""


class HookFailedError(BackendError):
    """A hook's process ended badly; how it did, for whoever looks for the cause."""

    def __init__(self, message: str, *, hint: str, ended: HookEnd) -> None:
        super().__init__(message, hint=hint)
        self.ended = ended


T = TypeVar("T")

_READ_FOR_CAUSE = 1 << 20
"""Bytes at the end of a log in which the reason for a failure is looked for."""
GRACE_SECONDS = 2.0
"""Between asking a hook to end and killing it."""
_MISSING = re.compile(r"No module named '([^']+)'")
_KILLED = "not by wheelpool; if the system ran out of memory, try fewer builds at once (--builds)"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """One call of one hook; everything it needs to run anywhere."""

    build: BuildId
    tree: Path
    python: Path
    backend: str
    backend_path: tuple[str, ...]
    hook: Hook
    config_settings: Mapping[str, str | list[str]]
    output: Path
    """Where build_wheel puts the wheel."""
    log: Path
    fds: tuple[int, ...]
    """The descriptors that hold the lock of the tree."""
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookResult:
    """What a hook gave back."""

    value: str | Sequence[str]
    """The wheel's file name, or a list of requirements."""
    peak: int
    """Bytes: the largest resident size of any one of its processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEnd:
    """How a hook's process ended that did not end well."""

    code: int
    """The exit code; negative for a signal."""
    tail: Sequence[str]
    """The last lines of the log, cleaned."""
    peak: int
    """As in `HookResult`."""
    ended_by_us: bool
    """Whether we had told it to end."""


class HookRunner:
    """Runs hooks, one thread waiting for each; one for the whole pool.

    Args:
        run: marks the processes.
        workers: the most hooks that may ever run at once.
        whose: as `ProcessSupervisor` takes it.
    """

    def __init__(
        self, run: RunId, workers: int, whose: Callable[[int, float], BuildId | None] = no_owner
    ) -> None:
        self._processes = ProcessSupervisor(run, whose)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="hook")
        self._running: set[_Running] = set()
        self._grace = GRACE_SECONDS

    async def call(self, call: HookCall, *, on_start: Callable[[int], None]) -> HookResult:
        """Run a hook to its end; ``on_start`` gets its pid, on the loop's thread.

        When the caller is cancelled, the hook and all its processes have ended before
        CancelledError goes on.

        Raises:
            BackendError: it failed, or broke its contract; the message says how.
            ProjectError: the tree names a backend outside of itself.
        """
        return await self._waited(lambda running: _Call(call, running).run(), on_start)

    async def run(self, command: Command) -> int:
        """Run a program that is no hook with the same care; return its exit code.

        Raises:
            OSError: it cannot be started.
        """
        return await self._waited(lambda running: running.run(command))

    async def _waited(
        self, work: Callable[[_Running], T], on_start: Callable[[int], None] | None = None
    ) -> T:
        """Let a thread wait for a process; when we are cancelled, the process ends first."""
        loop = asyncio.get_running_loop()

        def started(pid: int) -> None:
            if on_start is not None:
                loop.call_soon_threadsafe(on_start, pid)

        running = _Running(self._processes, started)
        self._running.add(running)
        future = loop.run_in_executor(self._executor, work, running)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await self._end(running, future)
            raise
        finally:
            self._running.discard(running)

    async def _end(self, running: _Running, future: asyncio.Future[T]) -> None:
        running.end(signal.SIGTERM)
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future], timeout=self._grace)
        while not future.done():
            running.end(signal.SIGKILL)
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        future.exception()

    def kill(self) -> None:
        """End all hooks at once, and give no grace from now on."""
        self._grace = 0.0
        for running in self._running:
            running.end(signal.SIGKILL)

    def close(self) -> None:
        """Let the threads and the watcher go; no hook may be running."""
        self._executor.shutdown()
        self._processes.close()


@dataclass(slots=True, eq=False)
class _Running:
    """A process that a thread waits for and that another thread may end."""

    processes: ProcessSupervisor
    on_start: Callable[[int], None]
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: bool = False
    process: Process | None = None

    def end(self, number: signal.Signals) -> None:
        with self.lock:
            self.ended = True
            if self.process is not None:
                self.process.signal(number)

    def run(self, command: Command) -> int:
        """Start it and wait for its end; blocks."""
        with self.lock:
            if self.ended:
                raise BackendError("cancelled before its process began")
            self.process = self.processes.start(command)
        self.on_start(self.process.pid)
        return self.process.wait()


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a hook, on the thread that waits for its process."""

    call: HookCall
    running: _Running

    def run(self) -> HookResult:
        """Call the hook through pyproject_hooks; blocks."""
        call = self.call
        try:
            value = self._asked(_caller(call, self._runner))
        except BackendUnavailable as problem:
            raise _unavailable(problem, call) from problem
        except HookMissing as problem:
            raise _no_such_hook(call) from problem
        except FileNotFoundError as problem:
            if Path(problem.filename or "").name != "output.json":
                raise
            raise BackendError(
                f"the backend ended without a result (exit 0 from inside {call.hook})",
                hint="something in it calls sys.exit or os._exit; see the log",
            ) from problem
        return HookResult(
            value=_checked(value, call),
            peak=self.running.process.peak if self.running.process else 0,
        )

    def _asked(self, caller: BuildBackendHookCaller) -> object:
        settings, output = dict(self.call.config_settings), str(self.call.output)
        match self.call.hook:
            case "build_wheel":
                return caller.build_wheel(output, settings)
            case "build_editable":
                return caller.build_editable(output, settings)
            case "prepare_metadata_for_build_wheel":
                # Without it the wheel is built in full, which is for the caller to decide.
                return caller.prepare_metadata_for_build_wheel(
                    output, settings, _allow_fallback=False
                )
            case "get_requires_for_build_wheel":
                return caller.get_requires_for_build_wheel(settings)
            case "get_requires_for_build_editable":
                return caller.get_requires_for_build_editable(settings)

    def _runner(
        self,
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        """Run pyproject_hooks' script; what it exits with is checked here and nowhere else."""
        command = Command(
            build=self.call.build,
            argv=cmd,
            cwd=Path(cwd or self.call.tree),
            environ={**self.call.environ, **(extra_environ or {})},
            log=self.call.log,
            fds=self.call.fds,
        )
        if code := self.running.run(command):
            raise self._failed(code)
        _keep_warnings(Path(cmd[-1]) / "output.json", self.call.log)

    def _failed(self, code: int) -> HookFailedError:
        hook, tail, running = self.call.hook, last_lines(self.call.log), self.running
        found = diagnose(last_lines(self.call.log, _READ_FOR_CAUSE))
        hint = _KILLED if code == -signal.SIGKILL else ""
        # What went wrong comes first: lines are cut at their end.
        if code < 0:
            message = f"{hook} was killed by {_signal_name(-code)}"
        elif found is not None:
            message, hint = f"{found.cause} ({hook}, exit code {code})", found.hint
        else:
            message = f"{hook} failed with exit code {code}"
        peak = running.process.peak if running.process else 0
        return HookFailedError(
            message,
            hint=hint,
            ended=HookEnd(code=code, tail=tail, peak=peak, ended_by_us=running.ended),
        )


def _caller(call: HookCall, runner: Callable[..., None]) -> BuildBackendHookCaller:
    try:
        return BuildBackendHookCaller(
            str(call.tree), call.backend, call.backend_path or None, runner, str(call.python)
        )
    except ValueError as problem:
        raise ProjectError(f"backend-path in {call.tree}: {problem}") from problem


def _no_such_hook(call: HookCall) -> MissingHookError:
    hint = ""
    if call.hook == "build_editable":
        hint = "it knows no editable installs (PEP 660): a newer version may, or install without -e"
    return MissingHookError(f"the backend {call.backend} has no {call.hook} hook", hint=hint)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _unavailable(problem: BackendUnavailable, call: HookCall) -> BackendError:
    reason = (problem.traceback or str(problem)).strip().splitlines()[-1]
    missing = _MISSING.search(reason)
    return BackendError(
        f"the backend {call.backend} cannot be imported: {reason}",
        hint=for_module(missing[1])
        if missing
        else "see the log of the build, and [build-system] in pyproject.toml",
    )


def _checked(value: object, call: HookCall) -> str | Sequence[str]:
    """See that a hook gave back what PEP 517 says."""
    if not call.hook.startswith("get_requires"):
        what = "a folder" if call.hook.startswith("prepare") else "a wheel"
        if not isinstance(value, str) or "/" in value:
            raise BackendError(f"{call.hook} gave back {value!r}, not the name of {what}")
        if not (call.output / value).exists():
            raise BackendError(f"{call.hook} gave back {value!r}, but there is no such file")
        return value
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise BackendError(f"{call.hook} gave back {value!r}, not a list of requirements")
    return value


def _keep_warnings(result: Path, log: Path) -> None:
    """Put the backend's warnings into its log.

    pyproject_hooks takes them out of the hook's output and raises them in our process, from a
    thread, where there is no safe way to catch them.
    """
    try:
        told = json.loads(result.read_bytes())
    except (OSError, ValueError):
        return
    if warnings := told.pop("warnings", None):
        result.write_text(json.dumps(told))
        with log.open("a", encoding="utf-8") as file:
            for warning in warnings:
                file.write(f"{warning['filename']}:{warning['lineno']}: {warning['message']}\n")
