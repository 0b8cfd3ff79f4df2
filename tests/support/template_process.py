"""A process that has imported a program and forks for each command: a start takes milliseconds.

Commands run as they do from a shell: in a process of their own with their own environment, working
directory, session and standard streams. Only the imports are shared.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Completed", "Limits", "TemplateProcess"]

SECONDS = 120
MAIN = {"wheelpool": "app.cli.main", "pip": "pip._internal.cli.main"}
"""The module of a program's function ``main``."""
PRELOADED = {
    "wheelpool": (
        "anyio._backends._asyncio",
        "app.cli.main",
        "app.cli.build",
        "app.plain.run",
        "app.source.live",
        "httpcore",
        "pool.build.pipeline",
        "pool.engine.pool",
        "pool.run.installer",
        "pool.run.request_runner",
        "pool.scheduling.history",
        "pool.sources.index.http",
        "sqlite3",
    ),
    "pip": ("pip._internal.commands.install", "pip._internal.commands.wheel"),
}
"""The modules that a program imports when it runs."""
PR_SET_CHILD_SUBREAPER = 36

running: set[int] = set()
"""The pids of the template processes of this process."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds of a command; it fails or is ended beyond."""

    seconds: float = SECONDS
    file_bytes: int | None = None
    """Size of a file that it writes."""


@dataclass(frozen=True)
class Completed:
    """The end of a command."""

    code: int
    """Exit code; negative: the number of the signal."""
    out: str
    err: str


class TemplateProcess:
    """Runs commands of one program, one at a time. Use as a context manager.

    Processes that a command leaves are ended if the program is another one than wheelpool, which
    ends them itself.
    """

    def __init__(self, program: str = "wheelpool") -> None:
        root = Path(__file__).parents[2]
        code = f"from tests.support import template_process as t; t.serve({program!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
            text=True,
        )
        running.add(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        running.discard(self._process.pid)

    def run(
        self,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        folder: Path,
        logs: Path,
        interrupt_after: float | None = None,
        limits: Limits = Limits(),
        executable: Path | None = None,
    ) -> Completed:
        """Run one command in ``folder``; its streams go to files in ``logs``, which may be new.

        After ``interrupt_after`` seconds it gets one SIGINT; after those of its limits, SIGKILL.
        ``executable`` is run instead of the program.
        """
        assert self._process.stdin
        assert self._process.stdout
        logs.mkdir(exist_ok=True)
        order = {
            "arguments": list(arguments),
            "environ": dict(environ),
            "folder": str(folder),
            "out": str(logs / "stdout"),
            "err": str(logs / "stderr"),
            "interrupt_after": interrupt_after,
            "limits": asdict(limits),
            "executable": executable and str(executable),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        out, err = (
            (logs / name).read_bytes().decode(errors="surrogateescape")
            for name in ("stdout", "stderr")
        )
        return Completed(code, out, err)


def serve(program: str) -> None:
    """Read orders from stdin, one JSON object a line, and answer each with an exit code."""
    for name in PRELOADED[program]:
        import_module(name)
    if program != "wheelpool":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _run_child(order, program)
        code = _wait(child, order["interrupt_after"], order["limits"]["seconds"])
        if program != "wheelpool":
            _end_orphans()
        print(code, flush=True)


def _run_child(order: dict[str, Any], program: str) -> None:
    try:
        os.setsid()
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environ"])
        for number, name in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(name, flags, 0o600), number)
        if (size := order["limits"]["file_bytes"]) is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        if order["executable"]:
            os.execv(order["executable"], [order["executable"], *order["arguments"]])
        sys.argv = [program, *order["arguments"]]
        # Made by Python from the environment when it starts.
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        sys.exit(import_module(MAIN[program]).main())
    except SystemExit as end:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    finally:
        os._exit(99)


def _end_orphans() -> None:
    """End the processes that a command has left; they are children of this process."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, 0)[0]:
            pass


def _wait(child: int, interrupt_after: float | None, seconds: float) -> int:
    """Wait for a child; end it and its session if it takes too long."""
    start = time.monotonic()
    interrupted = False
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - start
        if interrupt_after is not None and passed > interrupt_after and not interrupted:
            os.kill(child, signal.SIGINT)
            interrupted = True
        if passed > seconds:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.002 if passed < 0.5 else 0.01)
