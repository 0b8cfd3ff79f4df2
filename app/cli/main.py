"""The entry point ``wheelpool``: runs a command, reports errors, returns the exit code.

The only ``sys.exit`` is here, and the only place where an exception becomes an exit code: 2 for bad
usage or input, 3 for an internal error, 130 for an interrupt. All other codes are results of the
commands. Deliberately imports almost nothing: ``--version`` takes as long as Python takes to start.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from app import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["main", "run"]

UNWRITTEN, BAD_INPUT, INTERNAL_ERROR, INTERRUPTED = 1, 2, 3, 130


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    entered = time.monotonic()
    if sys.argv[1:] == ["--version"]:
        sys.exit(run(sys.argv[1:]))
    from app.plain import early_signals
    from app.plain.encoding import write_any_text

    # A path may have bytes that are not UTF-8, and an encoding may lack the signs of our lines.
    write_any_text(sys.stdout)
    if sys.stderr is not None and "utf" not in (sys.stderr.encoding or "").lower():
        write_any_text(sys.stderr)
    early_signals.record_signals()
    try:
        code = run(sys.argv[1:], entered)
    finally:
        early_signals.ignore_signals()
    sys.exit(code)


def run(argv: Sequence[str], entered: float | None = None) -> int:
    """Run one command line; return its exit code. Errors are printed, never raised.

    Args:
        argv: the command line, without the program.
        entered: when the process ran its first code, if it runs only this command; on
            `time.monotonic`.
    """
    if list(argv) == ["--version"]:
        print(f"wheelpool {__version__}")
        return 0
    if (obstacle := _find_obstacle()) is not None:
        print("wheelpool: {}\n  {}".format(*obstacle), file=sys.stderr)
        return BAD_INPUT
    code = _run_command(argv, entered)
    if problem := _flush_output():
        return _print_errors([(problem, "")], code or UNWRITTEN)
    return code


def _run_command(argv: Sequence[str], entered: float | None) -> int:
    try:
        if (code := _run_usual(argv, entered)) is not None:
            return code
        from app.cli.root import root

        words = list(argv) or ["--help"]
        return int(root.main(words, "wheelpool", standalone_mode=False, obj=entered) or 0)
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as problem:  # noqa: BLE001 - any error becomes a message and an exit code
        return _report_error(problem)


def _run_usual(argv: Sequence[str], entered: float | None) -> int | None:
    """Run a usual ``build`` or ``install`` without click; return None if it must parse it."""
    if not argv or argv[0] not in ("build", "install"):
        return None
    from app.cli.arguments import parse_arguments

    if (parsed := parse_arguments(argv[0], argv[1:])) is None:
        return None
    from app.cli.run_request import run_request

    return run_request(parsed.targets, parsed.flags, entered, install=argv[0] == "install")


def _find_obstacle() -> tuple[str, str] | None:
    """Return why no command can work here, and a hint; None if there is no reason."""
    if sys.platform == "win32":
        return "Windows is not supported", "use the Windows Subsystem for Linux"
    if other := _find_other_pool():
        return (
            f"another package named 'pool' hides the one of wheelpool: {other}",
            "install wheelpool in an environment of its own: uv tool install or pipx install",
        )
    return None


def _find_other_pool() -> str | None:
    """Return the file of another package `pool`, a common name; None if ours is imported."""
    from importlib.util import find_spec

    spec = find_spec("pool")
    parent = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 - as below
    ours = os.path.join(parent, "pool", "__init__.py")  # noqa: PTH118 - pathlib costs as much as Python's start
    found = spec.origin if spec else "nowhere"
    return None if found == ours else str(found)


def _report_error(problem: Exception) -> int:
    """Print an error, one or two lines for each exception of a group; return the exit code."""
    import click

    import pool

    problem = pool.shortage_error(problem) or problem
    match problem:
        case click.UsageError():
            command = problem.ctx.command_path if problem.ctx else "wheelpool"
            hint = f"for more information, try '{command} --help'"
            return _print_errors([(problem.format_message(), hint)], BAD_INPUT)
        case click.ClickException():
            return _print_errors([(problem.format_message(), "")], BAD_INPUT)
        case click.Abort():
            return INTERRUPTED
        case pool.PoolError():
            return _print_errors([(problem.message, problem.hint)], BAD_INPUT)
        case ExceptionGroup(exceptions=errors) if problem.split(pool.PoolError)[1] is None:
            return max(_report_error(error) for error in errors)
        case _:
            return _print_errors([(_write_traceback(problem), "")], INTERNAL_ERROR)


def _write_traceback(problem: Exception) -> str:
    """Write the traceback to a file; return the message that names it."""
    from app.runs.crash_report import describe_error, write_traceback

    return f"internal error: {describe_error(problem)} ({write_traceback(problem)})"


def _print_errors(errors: Iterable[tuple[str, str]], code: int) -> int:
    """Print messages and their hints to stderr, without control characters; return the code."""
    import pool

    for message, hint in errors:
        lines = [f"wheelpool: {message}", *([f"  {hint}"] if hint else [])]
        for line in lines:
            print(pool.clean_line(line, longest=4000), file=sys.stderr)
    return code


def _flush_output() -> str:
    """Flush stdout and stderr; return why that failed, or nothing.

    Without this, the interpreter would report a failure while it exits, with another exit code.
    """
    problem = ""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            # The interpreter flushes the rest of the buffer when it exits: discard it.
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, stream.fileno())
            os.close(devnull)
            # A closed pipe or terminal is no error: its reader needs no more.
            if error.errno not in (errno.EPIPE, errno.EIO):
                from pool import os_error_text

                problem = f"{name}: {os_error_text(error)}"
    return problem
