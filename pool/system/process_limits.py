"""The caps that the limits of open files and of processes allow, and the errors of a shortage.

A limit that is too low for the caps lowers them: a build that cannot open a file would fail
otherwise, for a reason that is not its own. The numbers per build and per job are estimates; a
shortage that comes nevertheless is waited out.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pool.common.errors import SettingsError, SystemTroubleError
from pool.common.model import LimitName

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = [
    "ShortageError",
    "allowed_threads",
    "check_limits",
    "current_limits",
    "is_shortage",
    "lower_caps",
    "processes_of_user",
    "raise_open_file_limit",
    "reraise_shortage",
    "shortage_error",
    "wait_out_shortage",
]

_ENOUGH_FILES: Final = 65_536
"""Enough for all builds; not unlimited, because some programs close every possible descriptor."""
_BASE_FILES: Final = 32
"""Descriptors of a pool without builds: journal, loop, history, watchdog, logs, connections."""
_FILES: Final[Mapping[LimitName, int]] = {
    LimitName.BUILDS: 10,
    LimitName.DOWNLOADS: 4,
    LimitName.INSTALLS: 6,
}
"""Descriptors that one build, download or install has open at most."""
_BASE_PROCESSES: Final = 24
"""The pool's threads apart from those that wait for hooks, the watchdog, and short commands."""
_PROCESSES: Final[Mapping[LimitName, int]] = {
    LimitName.BUILDS: 5,
    LimitName.INSTALLS: 2,
    LimitName.JOBS: 3,
}
"""A build has a thread, a hook and a build tool; an installed wheel a thread and a compiler of
bytecode; a job a driver, a compiler and an assembler."""
_PROCESSES_PER_THREAD: Final = 16
"""An executor for short work has at most one thread in so many processes."""
_LEAST_FILES: Final = 24
_LEAST_PROCESSES: Final = 10
"""With less, not even one build at a time works (measured)."""
_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})

_DELAYS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""Seconds between the attempts of work during a shortage."""

T = TypeVar("T")


def raise_open_file_limit() -> None:
    """Raise the soft limit of open files as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    new = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < new:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (new, hard))


def check_limits(files: int | None, processes: int | None) -> None:
    """Refuse limits with which no build works.

    Args:
        files: the limit of open files; None for none.
        processes: how many processes the user may still start; None for no limit.

    Raises:
        SettingsError: the limits are too low.
    """
    for amount, least, what, option in (
        (files, _LEAST_FILES, "open files", "-n"),
        (processes, _LEAST_PROCESSES, "more processes", "-u"),
    ):
        if amount is not None and amount < least:
            raise SettingsError(
                f"this process may have {amount} {what} (ulimit {option}); {least} are needed",
                hint=f"raise the limit with ulimit {option}, or end other programs",
            )


def allowed_threads(wanted: int) -> int:
    """Return how many threads an executor for short work may have; they count as processes."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if limit == resource.RLIM_INFINITY or os.geteuid() == 0:
        return wanted
    return max(1, min(wanted, limit // _PROCESSES_PER_THREAD))


def lower_caps(
    caps: Mapping[LimitName, int], *, files: int | None, processes: int | None
) -> tuple[dict[LimitName, int], list[str]]:
    """Return caps that the limits allow, at least 1, and a note for each limit that lowers some.

    Args:
        caps: the caps that are wanted.
        files: the limit of open files; None for none.
        processes: how many processes the user may still start; None for no limit.
    """
    notes = []
    lowered = dict(caps)
    for amount, base, costs, what in (
        (files, _BASE_FILES, _FILES, "open files (ulimit -n)"),
        (processes, _BASE_PROCESSES, _PROCESSES, "more processes (ulimit -u)"),
    ):
        if amount is None:
            continue
        # Builds may use all that is left: a shortage while much is downloaded is waited out.
        fits = {
            name: max(1, (amount - base) // (cost if name is LimitName.BUILDS else 2 * cost))
            for name, cost in costs.items()
        }
        changed = [name for name in costs if name in lowered and fits[name] < lowered[name]]
        lowered |= {name: fits[name] for name in changed}
        if changed:
            lowered_text = ", ".join(f"{name} {lowered[name]}" for name in changed)
            notes.append(f"this process may have {amount} {what}: the limits are {lowered_text}")
    return lowered, notes


def current_limits() -> tuple[int | None, int | None]:
    """Return the limit of open files, and how many processes the user may still start."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    # The kernel does not apply the limit of processes to root.
    is_unlimited = processes == resource.RLIM_INFINITY or os.geteuid() == 0
    return (
        None if files == resource.RLIM_INFINITY else files,
        None if is_unlimited else max(0, processes - processes_of_user()),
    )


def processes_of_user() -> int:
    """Return the processes and threads of this user, which count together; 0 if unknown."""
    if sys.platform != "linux":
        return 0
    total = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if folder.stat().st_uid == os.getuid():
                    total += sum(1 for _ in (folder / "task").iterdir())
    return total


def is_shortage(problem: BaseException) -> bool:
    """Return whether an error, or its cause, means that descriptors or processes are short.

    A message that a module made of such an error is no verdict about its file.
    """
    return _find_shortage(problem) is not None


def reraise_shortage(problem: BaseException) -> None:
    """Raise an error again if it is a shortage: it does not say that a file is absent or bad."""
    if is_shortage(problem):
        raise problem


def shortage_error(problem: BaseException) -> SystemTroubleError | None:
    """Return an error for the user if an error is a shortage, which has lasted; else None."""
    if (number := _find_shortage(problem)) is None:
        return None
    if number == errno.ENOMEM:
        return ShortageError("the system has no memory left", hint="end other programs")
    name, option = ("processes", "-u") if number == errno.EAGAIN else ("open files", "-n")
    return ShortageError(
        f"too few {name} are allowed (ulimit {option})",
        hint="raise the limit, or do less at once: -j 1 --downloads 1 --installs 1",
    )


async def wait_out_shortage(
    attempt: Callable[[], Awaitable[T]], on_shortage: Callable[[], None]
) -> T:
    """Attempt until there is no shortage, which is the machine's, until it has lasted.

    Args:
        attempt: may be called again after an error.
        on_shortage: called before each wait.

    Raises:
        Exception: what the last attempt raised, or the first that was no shortage.
    """
    for delay in _DELAYS:
        try:
            return await attempt()
        except Exception as problem:
            if not is_shortage(problem):
                raise
        on_shortage()
        # Every command imports this module, and few need an event loop.
        import asyncio

        await asyncio.sleep(delay)
    return await attempt()


class ShortageError(SystemTroubleError):
    """Descriptors, processes or memory are short, and have been for some time."""

    reference = "shortage"


def _find_shortage(problem: BaseException) -> int | None:
    """Return the error number of a shortage among an error, its causes, and the parts of groups."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [problem]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, OSError) and current.errno in _SHORTAGES:
            return current.errno
        if isinstance(current, RuntimeError) and "can't start new thread" in str(current):
            return errno.EAGAIN
        context = None if current.__suppress_context__ else current.__context__
        waiting.append(current.__cause__ or context)
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
    return None
