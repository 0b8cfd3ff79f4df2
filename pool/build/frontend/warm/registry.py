"""The template processes of a pool: started when a hook needs one, ended with the pool.

A template belongs to an interpreter, to the wheels that it imports, and to all variables that a
build does not set for itself, because a backend may read any when it is imported. A template that
does not start, dies, or gives no answer costs nothing but time: its hooks start cold.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import socket
import tempfile
import threading
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyproject_hooks

from pool.build.frontend import build_env
from pool.build.frontend.job_flags import JOB_VARIABLES
from pool.common.files import NEW_PREFIX, read_umask, remove_tree
from pool.system.process import ForkedProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import IO

    from pool.build.frontend.warm.plan import WarmPlan
    from pool.system.interpreter import Interpreter
    from pool.system.process import Command, Process, ProcessSupervisor

__all__ = ["MAX_FAILURES", "MAX_TEMPLATES", "TemplateError", "TemplateRegistry", "UnfitError"]

MAX_TEMPLATES = 8
"""Templates that wait for hooks; each has some 25 MB."""
MAX_FAILURES = 3
"""After so many failures of a template all its hooks start cold."""
_START_SECONDS = 20.0
_FORK_SECONDS = 10.0
_MAX_MESSAGE = 1 << 18
_SCRIPT = Path(__file__).with_name("template.py")
_HOOK_SCRIPT = Path(pyproject_hooks.__file__).parent / "_in_process" / "_in_process.py"
"""The script that hooks run; any other is compiled in each fork."""
_LIMITS = sorted({value for name, value in vars(resource).items() if name.startswith("RLIMIT_")})
_ROOM = "-" * 2000
"""Room in the arguments and in the environment of a template for those of its forks."""
_OF_BUILD = frozenset(
    (
        *JOB_VARIABLES,
        "PATH",
        "VIRTUAL_ENV",
        "TMPDIR",
        "MAKEFLAGS",
        "CARGO_MAKEFLAGS",
        "DEPENDENCIES_OUTPUT",
        "PWD",
    )
)
_OF_BUILD_PREFIXES = ("WHEELPOOL_", "_PYPROJECT_HOOKS_")
"""Variables that differ from build to build, and that no backend reads when it is imported."""


class TemplateError(OSError):
    """A template cannot start a hook; the hook starts cold."""


class UnfitError(TemplateError):
    """A hook is one that no fork of the template can be; nothing has failed."""


def _encode_order(plan: WarmPlan, command: Command, environ: Mapping[str, str]) -> bytes:
    """Return a hook as a packet for a template; bytes of the system are written as Latin-1."""
    order = {
        "argv": [_latin(word) for word in command.argv],
        "cwd": _latin(command.cwd),
        "environ": [(_latin(name), _latin(value)) for name, value in environ.items()],
        "fds": command.fds,
        "prefix": _latin(plan.prefix),
        "site": plan.interpreter.site,
    }
    return json.dumps(order).encode()


def _latin(text: str | os.PathLike[str]) -> str:
    return os.fsencode(text).decode("latin-1")


class _Template:
    """One template process."""

    def __init__(self, processes: ProcessSupervisor) -> None:
        self._processes = processes
        self.lock = threading.Lock()
        self.pid = 0
        self.control: socket.socket | None = None
        self.names: frozenset[str] | None = None
        """The top-level modules that it has imported or looked for; None before its answer."""
        self.failures = 0
        self.removed = False
        """Whether the registry no longer has it."""

    def start(self, plan: WarmPlan, home: Path, environ: Mapping[str, str]) -> None:
        """Start the process, which then imports the backend.

        Raises:
            OSError: it cannot be started.
        """
        mine, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            try:
                argv = [str(home / "bin" / "python"), str(_SCRIPT), str(other.fileno()), _ROOM]
                self.pid = self._processes.start_template(argv, environ, other.fileno())
                mine.settimeout(_START_SECONDS)
                request = {
                    "modules": plan.modules,
                    "roots": list(plan.roots),
                    "script": str(_HOOK_SCRIPT),
                }
                mine.send(json.dumps(request).encode())
            except BaseException:
                mine.close()
                raise
        self.control = mine

    def read_answer(self) -> frozenset[str]:
        """Wait until the backend is imported; return the modules that were looked for.

        Raises:
            UnfitError: it can be imported, but not for forks.
            TemplateError: it gives no answer.
        """
        if self.names is not None:
            return self.names
        if self.control is None:
            raise TemplateError("it has ended")
        try:
            answer = json.loads(self.control.recv(_MAX_MESSAGE) or b"{}")
        except (OSError, ValueError) as problem:
            raise TemplateError(f"it gives no answer: {problem}") from problem
        if "unfit" in answer:
            self.end()
            self.failures = MAX_FAILURES
            raise UnfitError(answer["unfit"])
        if "names" not in answer:
            raise TemplateError("it ended while it imported the backend")
        self.names = frozenset(answer["names"])
        return self.names

    def fork(
        self, plan: WarmPlan, command: Command, environ: Mapping[str, str], log: IO[bytes]
    ) -> ForkedProcess:
        """Fork a hook that waits for its release.

        Raises:
            TemplateError: the template is gone, or gives no answer.
        """
        if self.control is None:
            raise TemplateError("it has ended")
        mine, other = socket.socketpair()
        mine.settimeout(_FORK_SECONDS)
        try:
            with other:
                fds = [other.fileno(), log.fileno(), *command.fds]
                socket.send_fds(self.control, [_encode_order(plan, command, environ)], fds)
            answer = mine.recv(32)
        except OSError as problem:
            mine.close()
            raise TemplateError(f"it does not start hooks: {problem}") from problem
        if not answer:
            mine.close()
            raise TemplateError("it ended while it started a hook")
        return ForkedProcess(int(answer), mine)

    def end(self) -> None:
        """End the process."""
        if self.control is not None:
            self.control.close()
            self.control = None
        if self.pid:
            self._processes.end_template(self.pid)
            self.pid = 0
        self.names = None


class TemplateRegistry:
    """All templates of a pool. Threads that wait for hooks may use it at the same time.

    Args:
        processes: starts and ends the processes.
        folder: the folder for their virtual environments, which have no packages.
    """

    def __init__(self, processes: ProcessSupervisor, folder: Path) -> None:
        self._processes = processes
        self._folder = folder
        self._lock = threading.Lock()
        self._templates: dict[str, _Template] = {}
        self._closed = False

    def prepare(self, plan: WarmPlan, environ: Mapping[str, str]) -> None:
        """Start the template of a plan: it imports the backend while the environment is made."""
        with self._template(plan, environ) as template, suppress(OSError):
            self._ensure_started(template, plan, environ)

    def await_template(
        self, plan: WarmPlan, environ: Mapping[str, str], on_note: Callable[[str], None]
    ) -> bool:
        """Wait until the template of a plan has imported the backend; return whether it has.

        Args:
            plan: names the template.
            environ: the environment of the hook.
            on_note: called if the template has failed.
        """
        with self._template(plan, environ) as template:
            try:
                self._ensure_started(template, plan, environ)
                names = template.read_answer()
            except UnfitError:
                return False
            except OSError as problem:
                self._record_failure(template, plan, problem, on_note)
                return False
        return not names & plan.other_names and plan.is_unchanged()

    def start(self, plan: WarmPlan, command: Command, on_note: Callable[[str], None]) -> Process:
        """Start a hook as a fork of a template for which `await_template` has waited.

        Args:
            plan: names the template.
            command: the hook; its first argument is the script that Python runs.
            on_note: called if the template has failed.

        Raises:
            TemplateError: the hook must start cold.
        """
        with self._template(plan, command.environ) as template:
            try:
                return self._processes.start(command, partial(template.fork, plan))
            except TemplateError as problem:
                self._record_failure(template, plan, problem, on_note)
                raise

    @contextmanager
    def _template(self, plan: WarmPlan, environ: Mapping[str, str]) -> Iterator[_Template]:
        """Hold the template of a plan, which starts one hook at a time."""
        key = _key(plan, _shared_variables(environ))
        while True:
            template = self._find(key)
            with template.lock:
                if not template.removed:
                    yield template
                    return

    def _find(self, key: str) -> _Template:
        """Return a template; end the longest unused ones if there are too many."""
        with self._lock:
            template = self._templates.pop(key, None) or _Template(self._processes)
            # The order of the keys is that of the last use.
            self._templates[key] = template
            for other_key in list(self._templates)[:-MAX_TEMPLATES]:
                self._remove_unused(other_key)
        return template

    def _remove_unused(self, key: str) -> None:
        """End a template, unless it starts a hook now: the next call ends it then."""
        template = self._templates[key]
        if template.lock.acquire(blocking=False):
            try:
                template.removed = True
                template.end()
                del self._templates[key]
            finally:
                template.lock.release()

    def _ensure_started(
        self, template: _Template, plan: WarmPlan, environ: Mapping[str, str]
    ) -> None:
        if self._closed or template.failures >= MAX_FAILURES:
            raise UnfitError("it has failed before")
        if template.control is None:
            home = self._make_home(plan.interpreter)
            template.start(plan, home, _template_environ(environ, home))

    def _record_failure(
        self,
        template: _Template,
        plan: WarmPlan,
        problem: OSError,
        on_note: Callable[[str], None],
    ) -> None:
        template.end()
        template.failures += 1
        reason = problem.strerror or str(problem)
        on_note(
            f"the template process of {plan.modules[0]} failed, so a hook starts cold: {reason}"
        )

    def _make_home(self, interpreter: Interpreter) -> Path:
        """Return a virtual environment without packages, the same for all templates.

        Raises:
            OSError: no space, no permission.
        """
        identity = f"{interpreter.executable}\0{interpreter.version}\0{interpreter.site}"
        home = self._folder / hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()
        if not (home / "pyvenv.cfg").exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=self._folder, prefix=NEW_PREFIX))
            try:
                build_env.create(temporary / "home", interpreter, ())
                with suppress(OSError):  # Another process has made it.
                    (temporary / "home").rename(home)
            finally:
                remove_tree(temporary)
        return home

    def close(self) -> None:
        """End all templates; no hook may be starting."""
        self._closed = True
        self.end_all()

    def end_all(self) -> None:
        """End all templates; hooks that follow start new ones."""
        with self._lock:
            for template in self._templates.values():
                with template.lock:
                    template.removed = True
                    template.end()
            self._templates.clear()


def _shared_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are the same for all builds of a run."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _OF_BUILD and not name.startswith(_OF_BUILD_PREFIXES)
    }


def _template_environ(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    return {
        "WHEELPOOL_TEMPLATE": _ROOM,
        **_shared_variables(environ),
        "PATH": os.defpath,
        "VIRTUAL_ENV": str(home),
    }


def _key(plan: WarmPlan, variables: Mapping[str, str]) -> str:
    """Return the identity of a template: its start, and what its forks inherit of this process."""
    limits = [resource.getrlimit(number) for number in _LIMITS]
    identity = (
        str(plan.interpreter.executable),
        plan.modules,
        tuple(plan.roots),
        sorted(variables.items()),
        limits,
        read_umask(),
    )
    return hashlib.sha256(repr(identity).encode()).hexdigest()
