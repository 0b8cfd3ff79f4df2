"""The command ``wheelpool``: what happens around every command, and how it ends.

The only ``sys.exit`` is here, and the only place where an exception becomes an exit code: 2 for
bad usage or input, 3 for an error of our own, 130 for an interrupt; other codes come from the
commands. Deliberately imports next to nothing: ``--version`` has to cost what Python costs.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from app import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["main", "run"]

UNWRITTEN, BAD_INPUT, OWN_ERROR, INTERRUPTED = 1, 2, 3, 130


def main() -> NoReturn:
    """Run the command line of this process and end with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Run one command line; return its exit code. Every error is told, none is raised."""
    if list(argv) == ["--version"]:
        print(f"wheelpool {__version__}")
        return 0
    if refusal := _refusal():
        print("wheelpool: {}\n  {}".format(*refusal), file=sys.stderr)
        return BAD_INPUT
    code = _ran(argv)
    if trouble := _let_go():
        return _say([(trouble, "")], code or UNWRITTEN)
    return code


def _ran(argv: Sequence[str]) -> int:
    try:
        from app.cli.root import root

        return int(root.main(list(argv) or ["--help"], "wheelpool", standalone_mode=False) or 0)
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as problem:  # noqa: BLE001 - whatever it is, it is told in a line
        return _told(problem)


def _refusal() -> tuple[str, str] | None:
    """Return why nothing can work here at all."""
    if sys.platform == "win32":
        return "Windows is not supported", "it runs in the Windows Subsystem for Linux"
    if stranger := _stranger():
        return (
            f"a package that is not wheelpool's goes by the name 'pool' here: {stranger}",
            "install wheelpool apart from other packages: pipx install wheelpool",
        )
    return None


def _stranger() -> str | None:
    """Return where `pool` would come from if that is not beside `app`: the names are common."""
    from importlib.util import find_spec

    spec = find_spec("pool")
    beside = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 - as below
    ours = os.path.join(beside, "pool", "__init__.py")  # noqa: PTH118 - pathlib costs as much as Python's start
    found = spec.origin if spec else "nowhere"
    return None if found == ours else str(found)


def _told(problem: Exception) -> int:
    """Tell what went wrong, in a line or two each; return the exit code."""
    import click

    from pool.common.errors import PoolError

    match problem:
        case click.UsageError():
            path = problem.ctx.command_path if problem.ctx else "wheelpool"
            return _say([(problem.format_message(), f"{path} --help tells more")], BAD_INPUT)
        case click.ClickException():
            return _say([(problem.format_message(), "")], BAD_INPUT)
        case click.Abort():
            return INTERRUPTED
        case PoolError():
            return _say([(problem.message, problem.hint)], BAD_INPUT)
        case ExceptionGroup(exceptions=several) if problem.split(PoolError)[1] is None:
            return max(_told(one) for one in several)
        case _:
            return _say([(_kept(problem), "")], OWN_ERROR)


def _kept(problem: Exception) -> str:
    """Write the traceback to a file; return one line about it."""
    import tempfile
    import traceback

    from pool.common.redaction import redact_urls

    with tempfile.NamedTemporaryFile(
        "w", prefix="wheelpool-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(redact_urls("".join(traceback.format_exception(problem))))
    what = redact_urls(f"{type(problem).__name__}: {problem}")
    return f"an error of wheelpool's own: {what} (traceback: {file.name})"


def _say(errors: Iterable[tuple[str, str]], code: int) -> int:
    """Write messages with their hints to stderr, fit for a terminal."""
    from pool.build.frontend.log_tail import clean_line

    for message, hint in errors:
        lines = [f"wheelpool: {message}", *([f"  {hint}"] if hint else [])]
        for line in lines:
            print(clean_line(line, longest=4000), file=sys.stderr)
    return code


def _let_go() -> str:
    """Find out here, not while the interpreter ends, whether all was written; return why not."""
    trouble = ""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            if stream is not None:
                stream.flush()
        except OSError as problem:
            # What is still in the buffer must not come up again when the interpreter ends.
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, stream.fileno())
            os.close(devnull)
            # A reader that has left has read enough.
            if problem.errno not in (errno.EPIPE, errno.EIO):
                from pool import os_error_text

                trouble = f"{name}: {os_error_text(problem)}"
    return trouble
