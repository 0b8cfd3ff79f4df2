"""Uninstalls distributions by their RECORDs, all of them in one transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pool.common.errors import RequirementError
from pool.install.check import unmet_requirements
from pool.install.environment import find_environment
from pool.install.installed import installed_distributions
from pool.install.staging import discard, stage
from pool.install.transaction import commit, remove_leftovers
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pool.common.model import Holder
    from pool.install.environment import TargetEnvironment
    from pool.install.transaction import CommitResult

__all__ = ["uninstall"]


def uninstall(
    names: Sequence[str],
    into: Path | None,
    environ: Mapping[str, str],
    *,
    on_wait: Callable[[Holder | None], None],
    timeout: float | None = None,
) -> list[str]:
    """Uninstall distributions.

    Args:
        names: the names as in requirements.
        into: the environment; None for the active one.
        environ: names the active environment.
        on_wait: called with the holder of the environment's lock while this waits for it.
        timeout: the longest wait for the lock, in seconds; None for no limit.

    Returns:
        A line for each removed distribution, then warnings for the user.

    Raises:
        PoolError: there is no such environment or distribution, or it cannot be removed. Nothing
            was changed.
        OSError: no permission.
    """
    env = find_environment(into, environ)
    return asyncio.run(_uninstall(env, names, on_wait, timeout))


async def _uninstall(
    env: TargetEnvironment,
    names: Sequence[str],
    on_wait: Callable[[Holder | None], None],
    timeout: float | None,  # noqa: ASYNC109 - its error names the holder
) -> list[str]:
    to_remove = [canonicalize_name(name) for name in dict.fromkeys(names)]
    lock = await LockQueue(LockFile).acquire(env.lock_path, on_wait=on_wait, timeout=timeout)
    try:
        if missing := [name for name in to_remove if name not in installed_distributions(env)]:
            raise RequirementError(f"{', '.join(missing)}: not installed in {env.prefix}")
        staged = stage(env, (), remove=to_remove)
        try:
            committed = commit(staged)
        finally:
            discard(staged)
    finally:
        lock.release()
    remove_leftovers(env)
    return _format_report(env, committed)


def _format_report(env: TargetEnvironment, committed: CommitResult) -> list[str]:
    removed = [f"removed {change.name} {change.old}" for change in committed.changes]
    names = {canonicalize_name(change.name) for change in committed.changes}
    unmet = unmet_requirements(installed_distributions(env), names, env.interpreter.environment)
    return [*removed, *committed.notes, *unmet]
