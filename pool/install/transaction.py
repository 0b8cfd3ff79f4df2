"""Transactions that install a staged set as a whole, even if the process is killed.

`stage` lays a set out first. `commit`, under the environment's lock, plans all renames and writes
the plan into the set's folder by one rename: the point of no return. If the process is killed
before it, the environment is unchanged and the folder is a leftover. If it is killed after it, the
next process finds the plan and does the remaining steps; each step can tell whether it was done.
In between, every distribution but the one that is being renamed is wholly old or wholly new, and
of that one each module is. If a step fails, all steps before it are rolled back.

Deliberately safe against the death of the process, not of the machine: nothing is synced to disk.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pool.common.errors import InstallError, os_error_text
from pool.common.files import open_regular
from pool.common.record import Record
from pool.install.environment_files import STAGING_DIR
from pool.install.filesystem import Filesystem, ignore_change
from pool.install.layout import EnvPaths
from pool.install.ownership import Ownership
from pool.install.plan import Change, Plan, Step, make_plan, read_identity
from pool.install.plan_file import InvalidPlanError, read_plan, set_aside
from pool.install.staging import PLAN_FILE, has_plan, is_bytecode, stage_text
from pool.install.volumes import Stages, read_roots
from pool.system.locks.run_folder import abandoned_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pool.install.environment import TargetEnvironment
    from pool.install.staging import StagedSet

__all__ = ["CommitResult", "commit", "recover", "remove_leftovers"]

_DONE_FILE = "done.json"
"""The plan's name after its last step."""


class CommitResult(Record, frozen=True, kw_only=True):
    """The result of a transaction."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    """Sentences for the user: recovered transactions, and paths that were skipped."""


def commit(
    staged: StagedSet,
    *,
    on_change: Callable[[str], None] = ignore_change,
    use_exchange: bool = True,
) -> CommitResult:
    """Install a staged set. The caller holds the environment's lock.

    Args:
        staged: from `stage`; may be committed once.
        on_change: called with a description of each change of the file system before it is made.
        use_exchange: see `Filesystem`.

    Raises:
        InstallError: the set conflicts with the environment, or a step failed. The environment is
            unchanged.
    """
    filesystem = Filesystem(on_change, use_exchange=use_exchange)
    notes = _recover_all(staged.env, filesystem)
    paths = EnvPaths(staged.env.layout)
    try:
        ownership = Ownership(staged.env, paths, staged.records, staged.dists)
        _unlink_trees(staged, paths, ownership)
        plan = make_plan(staged, paths, ownership, whole_folders=True)
        try:
            skipped = _execute(plan, staged, filesystem)
        except OSError as problem:
            if problem.errno != errno.EXDEV:
                raise
            # Lower layers of an overlay: their folders cannot be renamed, their files can.
            plan = make_plan(staged, paths, ownership, whole_folders=False)
            skipped = _execute(plan, staged, filesystem)
    except OSError as problem:
        raise _install_error(problem, staged.folder) from problem
    notes = (*notes, *ownership.notes, *_skipped_notes(skipped))
    return CommitResult(changes=plan.changes, notes=notes)


def _unlink_trees(staged: StagedSet, paths: EnvPaths, ownership: Ownership) -> None:
    """Stage easy-install.pth without the trees of replaced ``.egg-link`` distributions."""
    removed: dict[Path, dict[str, int]] = {}
    for index, dist in ownership.replaced:
        if dist.linked_tree:
            removed.setdefault(dist.info_dir.parent, {})[os.path.realpath(dist.linked_tree)] = index
    for folder, trees in removed.items():
        with suppress(FileNotFoundError):
            pth = folder / "easy-install.pth"
            with open_regular(pth) as file:
                lines = file.read().decode("utf-8", "surrogateescape").splitlines(keepends=True)
            remaining = [
                one
                for one in lines
                if "\0" in one or os.path.realpath(folder / one.strip()) not in trees
            ]
            if remaining != lines:
                path = f"{paths.relative(folder)}/{pth.name}"
                stage_text(staged, path, "".join(remaining), min(trees.values()))


def recover(
    env: TargetEnvironment, *, on_change: Callable[[str], None] = ignore_change
) -> tuple[str, ...]:
    """Finish the transactions of killed processes. The caller holds the environment's lock.

    `commit` does this first; call it to repair an environment without installing.

    Returns:
        Sentences for the user; none if there was nothing to recover.

    Raises:
        InstallError: a transaction can neither be finished nor rolled back.
    """
    return _recover_all(env, Filesystem(on_change))


def remove_leftovers(env: TargetEnvironment) -> None:
    """Remove the staged sets of killed processes that never committed. Needs no lock."""
    paths = EnvPaths(env.layout)
    staging_dir = Path(paths.prefix, STAGING_DIR)
    for lock in abandoned_folders(staging_dir):
        with lock:
            if not has_plan(lock.folder):
                Stages(lock.folder, read_roots(lock.folder, paths)).remove()
    with suppress(OSError):  # It does not exist, or another process uses it.
        staging_dir.rmdir()


def _recover_all(env: TargetEnvironment, filesystem: Filesystem) -> tuple[str, ...]:
    notes: list[str] = []
    paths = EnvPaths(env.layout)
    for lock in abandoned_folders(Path(paths.prefix, STAGING_DIR)):
        with lock, suppress(FileNotFoundError):
            try:
                plan = read_plan(lock.folder, paths)
            except InvalidPlanError as problem:
                notes.append(_set_aside(lock.folder, problem))
            else:
                notes += _recover_plan(plan, lock.folder, filesystem)
    return tuple(notes)


def _set_aside(folder: Path, problem: InvalidPlanError) -> str:
    path = folder / PLAN_FILE
    with suppress(OSError):
        path = set_aside(folder)
    return f"the plan of an interrupted installation is not carried out, {problem}: {path}"


def _recover_plan(plan: Plan, folder: Path, filesystem: Filesystem) -> Iterator[str]:
    changes = ", ".join(map(str, plan.changes))
    if missing := Stages(folder, plan.volumes).missing():
        raise InstallError(
            f"an interrupted installation ({changes}) has files in {missing}, which is not there",
            hint=f"mount its volume again; or give these files up: rm -r {folder}",
        )
    try:
        skipped = _apply_or_roll_back(plan, folder, filesystem)
    except OSError as problem:
        if (folder / PLAN_FILE).exists():
            raise _install_error(problem, folder) from problem
        yield f"rolled back an interrupted installation ({changes}): {os_error_text(problem)}"
    else:
        yield f"finished an interrupted installation: {changes}"
        yield from _skipped_notes(skipped)


def _execute(plan: Plan, staged: StagedSet, filesystem: Filesystem) -> list[str]:
    """Write a plan into its folder, the point of no return, and apply it."""
    folder = staged.folder
    for step in plan.steps:
        _stage_volume(step.path, staged)
    plan = msgspec.structs.replace(plan, volumes=staged.stages.roots)
    filesystem.write(f"{folder}/{PLAN_FILE}.new", msgspec.json.encode(plan))
    filesystem.rename(f"{folder}/{PLAN_FILE}.new", f"{folder}/{PLAN_FILE}")
    return _apply_or_roll_back(plan, folder, filesystem)


def _stage_volume(path: str, staged: StagedSet) -> None:
    """Make the folder of the installation on the volume of a path, for what is replaced there."""
    while path := path.rpartition("/")[0]:
        if staged.volumes.is_root(path):
            staged.stages.add(path)
            return


def _apply_or_roll_back(plan: Plan, folder: Path, filesystem: Filesystem) -> list[str]:
    """Do the remaining steps of a plan; if one fails, roll all back and raise its error.

    Returns:
        The paths that were skipped.
    """
    execution = _PlanExecution(plan, folder, filesystem)
    try:
        execution.apply()
        filesystem.rename(f"{folder}/{PLAN_FILE}", f"{folder}/{_DONE_FILE}")
    except OSError:
        execution.roll_back()
        filesystem.unlink(f"{folder}/{PLAN_FILE}")
        raise
    return execution.skipped


class _PlanExecution:
    """Applies the steps of one plan, or rolls them back, from any interrupted state.

    Each step compares the identity of the files before it changes them, so repeating a step changes
    nothing. Files that another program has put there meanwhile are left alone.

    Args:
        plan: the plan.
        folder: the folder of the staged set in the prefix.
        filesystem: makes the changes.
    """

    def __init__(self, plan: Plan, folder: Path, filesystem: Filesystem) -> None:
        self._plan = plan
        self._prefix = folder.parent.parent
        self._stages = Stages(folder, plan.volumes)
        self._filesystem = filesystem
        self.skipped: list[str] = []
        """Paths that were left alone, because another program has changed them."""

    def apply(self) -> None:
        """Do all steps that are not done yet.

        Raises:
            OSError: a step failed; no later step was done.
        """
        for number, step in enumerate(self._plan.steps):
            self._apply_step(number, step)

    def roll_back(self) -> None:
        """Undo all steps that are done, last step first.

        Raises:
            OSError: a step cannot be undone; the steps before it are still done.
        """
        for number, step in reversed(list(enumerate(self._plan.steps))):
            self._roll_back_step(number, step)

    def _apply_step(self, number: int, step: Step) -> None:
        target, new, old = self._paths(number, step)
        current = read_identity(target)
        match step.kind:
            case "rmdir":
                self._rmdir(target)
            case "trash" if current == step.old:
                self._filesystem.rename(target, old)
            case "put" if current is None and read_identity(new) == step.new:
                self._filesystem.rename(new, target)
            case "swap" if current == step.old and read_identity(new) == step.new:
                if not self._filesystem.exchange(new, target):
                    self._filesystem.rename(target, old)
                    self._filesystem.rename(new, target)
            case "swap" if current is None and read_identity(old) == step.old:
                self._filesystem.rename(new, target)
            case _ if current != step.new:
                self.skipped.append(target)

    def _roll_back_step(self, number: int, step: Step) -> None:
        target, new, old = self._paths(number, step)
        current = read_identity(target)
        match step.kind:
            case "rmdir":
                with suppress(FileExistsError):
                    self._filesystem.mkdir(target)
            case "trash" if current is None and read_identity(old) == step.old:
                self._filesystem.rename(old, target)
            case "put" if current == step.new:
                self._filesystem.rename(target, new)
            case "swap" if current == step.new and read_identity(new) == step.old:
                if not self._filesystem.exchange(new, target):
                    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), target)
            case "swap" if read_identity(old) == step.old:
                if current == step.new:
                    self._filesystem.rename(target, new)
                self._filesystem.rename(old, target)
            case _:
                pass  # The step was not done.

    def _paths(self, number: int, step: Step) -> tuple[str, str, str]:
        """Return the path in the environment, of the staged file, and for the replaced file."""
        return (
            f"{self._prefix}/{step.path}",
            self._stages.new(step.path),
            self._stages.old(step.path, number),
        )

    def _rmdir(self, path: str) -> None:
        try:
            self._filesystem.rmdir(path)
        except OSError as problem:
            if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EBUSY):
                raise


def _skipped_notes(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if not is_bytecode(path):  # Any Python that runs in the environment may write bytecode.
            yield f"left alone, because another program changed it meanwhile: {path}"


def _install_error(problem: OSError, folder: Path) -> InstallError:
    why = os_error_text(problem, path=True)
    if (folder / PLAN_FILE).exists():
        return InstallError(
            f"an installation can neither be finished nor rolled back: {why}",
            hint="fix this, then install again: the interrupted installation is finished first",
        )
    return InstallError(f"cannot change the environment, which is as it was: {why}")
