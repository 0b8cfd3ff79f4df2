"""Runs PEP 517 and PEP 660 hooks, each in a process of its own, awaited on the pool's loop.

pyproject_hooks implements the protocol. This module starts and ends the processes, and turns their
failures into error messages. A call is plain data (`HookCall`): it could run on another machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import field
from msgspec.structs import replace
from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller, HookMissing

from pool.build.diagnosis.fix_context import UNKNOWN_CONTEXT
from pool.build.frontend.hook_result import check_result, read_output, unserializable_type
from pool.build.frontend.log_tail import last_lines
from pool.build.frontend.warm.registry import TemplateError, TemplateRegistry
from pool.common.errors import BackendError, ProjectError
from pool.common.record import MutableRecord, Record
from pool.system.process import Command, Process, ProcessSupervisor, no_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pool.build.diagnosis.fix_context import FixContext
    from pool.build.frontend.hook_result import Hook
    from pool.build.frontend.warm.plan import WarmPlan
    from pool.common.model import BuildKey, RunId

__all__ = [
    "HookCall",
    "HookEnd",
    "HookFailedError",
    "HookResult",
    "HookRunner",
    "MissingHookError",
]


class MissingHookError(BackendError):
    """The backend does not have this optional hook."""


class HookFailedError(BackendError):
    """The process of a hook failed; ``ended`` has the evidence for `pool.build.diagnosis.oom`."""

    def __init__(self, message: str, *, hint: str, ended: HookEnd, cause: str = "") -> None:
        super().__init__(message, hint=hint)
        self.ended = ended
        self.cause = cause


T = TypeVar("T")

_WRITE_ERROR = re.compile(r"[Pp]ermission denied|[Rr]ead-only file ?system|not permitted")
_DIAGNOSED_BYTES = 1 << 20
"""The last bytes of a log that are diagnosed after a failure."""
GRACE_SECONDS = 2.0
"""The time between SIGTERM and SIGKILL."""
_KILLED_HINT = (
    "not by wheelpool; if the system ran out of memory, try fewer builds at once (--builds)"
)


class HookCall(Record, frozen=True, kw_only=True):
    """One call of one hook, with everything that it needs to run."""

    build: BuildKey
    tree: Path
    python: Path
    backend: str
    backend_path: tuple[str, ...]
    hook: Hook
    config_settings: Mapping[str, str | list[str]]
    output: Path
    """The folder for the wheel or the metadata."""
    log: Path
    fds: tuple[int, ...]
    """The descriptors that hold the lock of the tree, for the hook to inherit."""
    environ: Mapping[str, str]
    warm: WarmPlan | None = None
    """How it starts as a fork of a template process; None to start it cold."""
    fix_context: FixContext = UNKNOWN_CONTEXT
    """For the fix of its failure; the package manager is added to it."""


class HookResult(Record, frozen=True, kw_only=True):
    """The result of a hook."""

    value: str | Sequence[str]
    """The name of the wheel or the metadata folder, or a list of requirements."""
    peak: int
    """The largest resident size of any one of its processes, in bytes."""


class HookEnd(Record, frozen=True, kw_only=True):
    """How the process of a failed hook ended."""

    code: int
    """The exit code; negative for a signal."""
    tail: Sequence[str]
    """The last lines of its log, cleaned."""
    peak: int
    """The same as in `HookResult`."""
    ended_by_us: bool
    """Whether wheelpool ended it."""


class HookRunner:
    """Runs all hooks of the pool; one thread waits for each process.

    Args:
        supervisor_id: marks the processes; unique on the machine.
        workers: the most hooks that may ever run at once.
        owner_of: see `ProcessSupervisor`.
        owns_process: see `ProcessSupervisor`.
        template_dir: the folder for template processes; None for none, as on systems where this
            process cannot adopt their forks.
    """

    def __init__(
        self,
        supervisor_id: str,
        workers: int,
        owner_of: Callable[[int, float], BuildKey | None] = no_owner,
        *,
        owns_process: bool = False,
        template_dir: Path | None = None,
    ) -> None:
        self._processes = ProcessSupervisor(supervisor_id, owner_of, owns_process=owns_process)
        self._templates: TemplateRegistry | None = None
        if template_dir is not None and self._processes.adopts_orphans:
            self._templates = TemplateRegistry(self._processes, template_dir)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="hook")
        self._running: set[_RunningProcess] = set()
        self._grace = GRACE_SECONDS
        self._killed: set[RunId] = set()
        """Runs whose hooks get no grace."""

    def prepare(self, plan: WarmPlan, environ: Mapping[str, str]) -> None:
        """Start the template process of hooks that follow; returns at once."""
        if self._templates is not None:
            self._executor.submit(self._templates.prepare, plan, environ)

    def end_templates(self) -> None:
        """End all template processes: what they have imported may have changed; blocks."""
        if self._templates is not None:
            self._templates.end_all()

    async def call(
        self,
        call: HookCall,
        *,
        on_start: Callable[[int], None],
        on_note: Callable[[str], None] = lambda _: None,
    ) -> HookResult:
        """Run a hook and return its result.

        If the caller is cancelled, CancelledError is raised only after the hook and all of its
        processes have ended.

        Args:
            call: the hook.
            on_start: called with the pid, on the loop's thread.
            on_note: called with a text for the user, on the loop's thread.

        Raises:
            BackendError: the hook failed, or its result violates PEP 517.
            ProjectError: ``backend-path`` is outside of the tree.
        """
        loop = asyncio.get_running_loop()

        def note(text: str) -> None:
            loop.call_soon_threadsafe(on_note, text)

        return await self._run_in_thread(
            call.build,
            lambda running: _HookExecution(call, running, self._templates, note).run(),
            on_start,
        )

    async def run(self, command: Command) -> int:
        """Run a program in the same way; return its exit code.

        Raises:
            OSError: the program cannot be started.
        """
        return await self._run_in_thread(command.build, lambda running: running.run(command))

    async def _run_in_thread(
        self,
        build: BuildKey,
        call: Callable[[_RunningProcess], T],
        on_start: Callable[[int], None] | None = None,
    ) -> T:
        """Run a blocking call in a thread; on cancellation, end its process first."""
        loop = asyncio.get_running_loop()

        def started(pid: int) -> None:
            if on_start is not None:
                loop.call_soon_threadsafe(on_start, pid)

        running = _RunningProcess(build, self._processes, started)
        self._running.add(running)
        future = loop.run_in_executor(self._executor, call, running)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await self._end_process(running, future)
            raise
        finally:
            self._running.discard(running)

    async def _end_process(self, running: _RunningProcess, future: asyncio.Future[T]) -> None:
        running.end(signal.SIGTERM)
        with suppress(asyncio.CancelledError):
            grace = 0.0 if running.build.run in self._killed else self._grace
            await asyncio.wait([future], timeout=grace)
        while not future.done():
            running.end(signal.SIGKILL)
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        future.exception()

    def kill_all(self, run: RunId) -> None:
        """Send SIGKILL to all hooks of a run, and from now on give its hooks no grace."""
        self._killed.add(run)
        for running in self._running:
            if running.build.run == run:
                running.end(signal.SIGKILL)

    def close(self) -> None:
        """Stop the threads, the templates and the watchdog; no hook may be running."""
        self._executor.shutdown()
        if self._templates is not None:
            self._templates.close()
        self._processes.close()


class _RunningProcess(MutableRecord, eq=False):
    """A process that one thread waits for and another thread may end."""

    build: BuildKey
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

    def run(self, command: Command, start: Callable[[Command], Process] | None = None) -> int:
        """Start the process and wait for its end; blocks.

        Args:
            command: what runs.
            start: starts it; by default it is executed.
        """
        with self.lock:
            if self.ended:
                raise BackendError("cancelled before its process started")
            self.process = (start or self.processes.start)(command)
        self.on_start(self.process.pid)
        return self.process.wait()


class _HookExecution(Record, frozen=True):
    """The execution of one hook, on the thread that waits for its process."""

    call: HookCall
    running: _RunningProcess
    templates: TemplateRegistry | None
    on_note: Callable[[str], None]

    def run(self) -> HookResult:
        """Call the hook through pyproject_hooks; blocks."""
        call = self.call
        try:
            value = self._call_hook(_create_caller(call, self._run_script))
        except BackendUnavailable as problem:
            raise _unavailable_error(problem, call) from problem
        except HookMissing as problem:
            raise _missing_hook_error(call) from problem
        except FileNotFoundError as problem:
            if Path(problem.filename or "").name != "output.json":
                raise
            raise BackendError(
                f"the backend ended without a result (exit 0 from inside {call.hook})",
                hint="it calls sys.exit or os._exit; see the log",
            ) from problem
        return HookResult(
            value=check_result(value, call.hook, call.output),
            peak=self.running.process.peak if self.running.process else 0,
        )

    def _call_hook(self, caller: BuildBackendHookCaller) -> object:
        settings, output = dict(self.call.config_settings), str(self.call.output)
        match self.call.hook:
            case "build_wheel":
                return caller.build_wheel(output, settings)
            case "build_editable":
                return caller.build_editable(output, settings)
            case "prepare_metadata_for_build_wheel":
                # The fallback builds the whole wheel; the caller decides about that.
                return caller.prepare_metadata_for_build_wheel(
                    output, settings, _allow_fallback=False
                )
            case "get_requires_for_build_wheel":
                return caller.get_requires_for_build_wheel(settings)
            case "get_requires_for_build_editable":
                return caller.get_requires_for_build_editable(settings)

    def _run_script(
        self,
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        """Run the script of pyproject_hooks, as its runner; a failure raises here."""
        command = Command(
            build=self.call.build,
            argv=cmd,
            cwd=Path(cwd or self.call.tree),
            environ={**self.call.environ, **(extra_environ or {})},
            log=self.call.log,
            fds=self.call.fds,
        )
        if code := self._run_command(command):
            raise self._failure(code)
        result = Path(cmd[-1]) / "output.json"
        if (output := read_output(result, self.call.hook)) and "warnings" in output:
            _move_warnings_to_log(output, result, self.call.log)

    def _run_command(self, command: Command) -> int:
        """Run the hook as a fork of its template if it has one, and else as a new process."""
        plan, templates = self.call.warm, self.templates
        if plan is None or templates is None:
            return self.running.run(command)
        if not templates.await_template(plan, command.environ, self.on_note):
            return self.running.run(command)
        try:
            return self.running.run(
                command, lambda command: templates.start(plan, command, self.on_note)
            )
        except TemplateError:
            return self.running.run(command)

    def _failure(self, code: int) -> HookFailedError:
        # Patterns are compiled after a failure, not when the program starts.
        from pool.build.diagnosis.log_diagnosis import diagnose

        hook, tail, running = self.call.hook, last_lines(self.call.log), self.running
        diagnosis = diagnose(last_lines(self.call.log, _DIAGNOSED_BYTES))
        hint, cause = _KILLED_HINT if code == -signal.SIGKILL else "", ""
        # The cause comes first: long lines are cut at their end.
        if kind := unserializable_type(tail):
            message = f"{hook} returned a {kind}, which is no valid result (PEP 517)"
            hint = ""
        elif code < 0:
            message = f"{hook} was killed by {_signal_name(-code)}"
        elif diagnosis is not None:
            message, cause = f"{diagnosis.cause} ({hook}, exit code {code})", diagnosis.summary
            hint = _read_only_hint(self.call, diagnosis.cause) or diagnosis.fix(_context(self.call))
        else:
            message = f"{hook} failed with exit code {code}"
        peak = running.process.peak if running.process else 0
        return HookFailedError(
            message,
            hint=hint,
            cause=cause,
            ended=HookEnd(code=code, tail=tail, peak=peak, ended_by_us=running.ended),
        )


def _context(call: HookCall) -> FixContext:
    """Return what the fix of a failure depends on, with this machine's package manager."""
    from pool.build.diagnosis.package_manager import detect_package_manager

    return replace(call.fix_context, manager=detect_package_manager())


def _read_only_hint(call: HookCall, cause: str) -> str:
    """Return a hint if the hook could not write to the user's tree; else the empty string."""
    is_copy = call.tree.is_relative_to(call.output.parent)
    if is_copy or not _WRITE_ERROR.search(cause) or os.access(call.tree, os.W_OK):
        return ""
    return "the source tree is read-only: build a copy of it with --copy"


def _create_caller(call: HookCall, runner: Callable[..., None]) -> BuildBackendHookCaller:
    try:
        return BuildBackendHookCaller(
            str(call.tree), call.backend, call.backend_path or None, runner, str(call.python)
        )
    except ValueError as problem:
        raise ProjectError(f"backend-path in {call.tree}: {problem}") from problem


def _missing_hook_error(call: HookCall) -> MissingHookError:
    hint = ""
    if call.hook == "build_editable":
        hint = "it has no editable installs (PEP 660): try a newer version, or install without -e"
    return MissingHookError(f"the backend {call.backend} has no {call.hook} hook", hint=hint)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _unavailable_error(problem: BackendUnavailable, call: HookCall) -> BackendError:
    from pool.build.diagnosis.cause import find_cause
    from pool.build.diagnosis.causes import CAUSES

    reason = (problem.traceback or str(problem)).strip().splitlines()[-1]
    known = find_cause(reason, CAUSES)
    error = BackendError(
        f"the backend {call.backend} cannot be imported: {reason}",
        hint=(known.fix(_context(call)) if known else "")
        or "see the log of the build, and [build-system] in pyproject.toml",
    )
    error.cause = known.summary if known else f"no backend {call.backend}"
    return error


def _move_warnings_to_log(output: dict[str, object], result: Path, log: Path) -> None:
    """Move the backend's warnings from its result to its log.

    pyproject_hooks would issue them in this process, in a thread, where they cannot be caught
    safely.
    """
    warnings = output.pop("warnings")
    result.write_text(json.dumps(output))
    with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
        for warning in warnings if isinstance(warnings, list) else ():
            with suppress(TypeError, LookupError):
                file.write(f"{warning['filename']}:{warning['lineno']}: {warning['message']}\n")
