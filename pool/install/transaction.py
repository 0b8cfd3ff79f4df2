"""Sets of distributions, put into an environment as a whole, whatever kills the process.

A set is laid out first (`stage`). `commit`, under the environment's lock, plans all renames and
writes the plan into the set's folder by one rename: the point of no return. Killed before it, the
environment is as it was and the folder is rubbish. Killed after it, whoever comes next finds the
plan of a process that is gone, and does the rest of it; every step can tell whether it was done.
In between, all distributions but the one that was being renamed are wholly old or wholly new, and
of that one each module is. A step that does not work has all before it taken back.

Deliberately safe against the death of the process, not of the machine: nothing waits for the disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from pool.common.errors import InstallError, os_error_text
from pool.common.files import remove_tree
from pool.install.env_paths import EnvPaths
from pool.install.filesystem import Filesystem, unwatched
from pool.install.ownership import Ownership
from pool.install.plan import Change, Plan, make_plan
from pool.install.staging import HOME, PLAN, is_bytecode
from pool.install.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pool.install.environment import TargetEnvironment
    from pool.install.staging import Staged

__all__ = ["Committed", "commit", "recover", "tidy"]

_DONE = "done.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commit did."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    """Sentences for the user: what it found and mended before, what it left alone."""


def commit(
    staged: Staged, *, step: Callable[[str], None] = unwatched, exchanges: bool = True
) -> Committed:
    """Put a set in place of what is there. The caller holds the environment's lock.

    Args:
        staged: from `stage`; may be committed once.
        step: is told each change of the disk before it is made.
        exchanges: see `Filesystem`.

    Raises:
        InstallError: it is refused, or it could not be done; the environment is as it was.
    """
    disk = Filesystem(step, exchanges=exchanges)
    notes = _mended(staged.env, disk)
    root = EnvPaths(staged.env.layout)
    try:
        owned = Ownership(staged.env, root, staged.records, staged.parts)
        plan = make_plan(staged, root, owned, whole_folders=True)
        try:
            alone = _carry_out(plan, staged.folder, disk)
        except OSError as problem:
            if problem.errno != errno.EXDEV:
                raise
            # Lower layers of an overlay: their folders cannot be renamed, their files can.
            plan = make_plan(staged, root, owned, whole_folders=False)
            alone = _carry_out(plan, staged.folder, disk)
    except OSError as problem:
        raise _failed(problem, staged.folder) from problem
    return Committed(changes=plan.changes, notes=(*notes, *_foreign(alone)))


def recover(env: TargetEnvironment, *, step: Callable[[str], None] = unwatched) -> tuple[str, ...]:
    """Finish what killed processes began. The caller holds the environment's lock.

    `commit` does this by itself; it is for looking after an environment without installing.

    Returns:
        Sentences for the user, none if there was nothing.

    Raises:
        InstallError: something can neither be finished nor taken back.
    """
    return _mended(env, Filesystem(step))


def tidy(env: TargetEnvironment) -> None:
    """Remove what killed processes left that nobody needs. No lock is needed."""
    home = env.prefix / HOME
    for folder, fd in _dead(home):
        try:
            if not (folder / PLAN).exists():
                remove_tree(folder)
        finally:
            os.close(fd)
    with suppress(OSError):  # There is none, or somebody is at work in it.
        home.rmdir()


def _mended(env: TargetEnvironment, disk: Filesystem) -> tuple[str, ...]:
    notes: list[str] = []
    for folder, fd in _dead(env.prefix / HOME):
        try:
            with suppress(FileNotFoundError):
                plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=Plan)
                notes += _mend(plan, folder, disk)
        finally:
            os.close(fd)
    return tuple(notes)


def _mend(plan: Plan, folder: Path, disk: Filesystem) -> Iterator[str]:
    what = ", ".join(map(str, plan.changes))
    try:
        alone = _finish(plan, folder, disk)
    except OSError as problem:
        if (folder / PLAN).exists():
            raise _failed(problem, folder) from problem
        yield f"took back an interrupted installation ({what}): {os_error_text(problem)}"
    else:
        yield f"finished an interrupted installation: {what}"
        yield from _foreign(alone)


def _carry_out(plan: Plan, folder: Path, disk: Filesystem) -> list[str]:
    """Do a plan; when it is in the folder under its name, it will be done."""
    disk.write(f"{folder}/{PLAN}.new", msgspec.json.encode(plan))
    disk.rename(f"{folder}/{PLAN}.new", f"{folder}/{PLAN}")
    return _finish(plan, folder, disk)


def _finish(plan: Plan, folder: Path, disk: Filesystem) -> list[str]:
    """Do what is not done yet of a plan, or take all of it back and say why."""
    root = str(folder.parent.parent)
    steps = Steps(plan, root=root, folder=str(folder), disk=disk)
    try:
        steps.forward()
        disk.rename(f"{folder}/{PLAN}", f"{folder}/{_DONE}")
    except OSError:
        steps.backward()
        disk.unlink(f"{folder}/{PLAN}")
        raise
    return steps.left_alone


def _dead(home: Path) -> Iterator[tuple[Path, int]]:
    """Yield the folders whose process is gone, each with a descriptor that holds its lock now."""
    try:
        folders = sorted(home.iterdir())
    except FileNotFoundError:
        return
    for folder in folders:
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue  # Gone by now, or another user's.
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
        else:
            yield folder, fd


def _foreign(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if not is_bytecode(path):  # Any Python that runs may write that.
            yield f"left alone, because somebody else changed it meanwhile: {path}"


def _failed(problem: OSError, folder: Path) -> InstallError:
    why = os_error_text(problem, path=True)
    if (folder / PLAN).exists():
        return InstallError(
            f"an installation can neither be finished nor taken back: {why}",
            hint="mend that, then install again: it is finished first",
        )
    return InstallError(f"the environment cannot be changed, and is as it was: {why}")
