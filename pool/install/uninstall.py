"""Takes distributions out of an environment, by their RECORDs, all of them in one go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pool.common.errors import RequirementError
from pool.install.check import unmet_requirements
from pool.install.environment import find_environment
from pool.install.installed import installed
from pool.install.staging import discard, stage
from pool.install.transaction import commit, tidy
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pool.common.model import Holder
    from pool.install.environment import TargetEnvironment
    from pool.install.transaction import Committed

__all__ = ["uninstall"]


def uninstall(
    names: Sequence[str],
    into: Path | None,
    environ: Mapping[str, str],
    *,
    on_wait: Callable[[Holder | None], None],
    timeout: float | None = None,
) -> list[str]:
    """Remove distributions; return a line for each, and what the user should know besides.

    Args:
        names: as requirements have them.
        into: the environment; None is the active one.
        environ: tells which one is active.
        on_wait: told who holds the environment's lock while it is waited for.
        timeout: seconds to wait for it; None waits for ever.

    Raises:
        PoolError: there is no such environment or distribution, or it cannot be removed;
            everything is as it was.
        OSError: no permission.
    """
    env = find_environment(into, environ)
    return asyncio.run(_removed(env, names, on_wait, timeout))


async def _removed(
    env: TargetEnvironment,
    names: Sequence[str],
    on_wait: Callable[[Holder | None], None],
    timeout: float | None,  # noqa: ASYNC109 - its error names the holder
) -> list[str]:
    wanted = [canonicalize_name(name) for name in dict.fromkeys(names)]
    held = await LockQueue(LockFile).acquire(env.lock_path, on_wait=on_wait, timeout=timeout)
    try:
        if missing := [name for name in wanted if name not in installed(env)]:
            raise RequirementError(f"{', '.join(missing)}: not installed in {env.prefix}")
        staged = stage(env, (), remove=wanted)
        try:
            committed = commit(staged)
        finally:
            discard(staged)
    finally:
        held.release()
    tidy(env)
    return _told(env, committed)


def _told(env: TargetEnvironment, committed: Committed) -> list[str]:
    removed = [f"removed {change.name} {change.old}" for change in committed.changes]
    names = {canonicalize_name(change.name) for change in committed.changes}
    unmet = unmet_requirements(installed(env), names, env.interpreter.environment)
    return [*removed, *committed.notes, *unmet]
