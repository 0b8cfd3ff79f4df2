"""The target of a run: the interpreter to build for, and the environment to install into."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pool.build.workspace import check_out_dir
from pool.common.record import Record
from pool.run.effective_request import EffectiveRequest
from pool.system.interpreter import probe, probe_own

if TYPE_CHECKING:
    from pool.install.environment import TargetEnvironment
    from pool.requirements.request import Request
    from pool.settings import RunSettings
    from pool.system.interpreter import Interpreter

__all__ = ["RunTarget", "read_target"]


class RunTarget(Record, frozen=True, kw_only=True):
    """A request, checked and narrowed to one interpreter."""

    request: EffectiveRequest
    interpreter: Interpreter
    environment: TargetEnvironment | None
    """None if the run installs nothing."""
    shared_env: Path
    """The environment of builds without isolation."""


def read_target(settings: RunSettings, request: Request, cache_dir: Path) -> RunTarget:
    """Probe the interpreter, read lock files, and check the output folder; blocks.

    Args:
        settings: of the run.
        request: as the user made it.
        cache_dir: has the facts of wheelpool's own interpreter.

    Raises:
        PoolError: the interpreter, the environment, a lock file or the folder cannot be used.
    """
    environment = _find_environment(settings)
    if environment is not None:
        interpreter = environment.interpreter
    elif settings.python is not None:
        interpreter = probe(settings.python, settings.environ)
    else:
        interpreter = probe_own(cache_dir, settings.environ)
    effective = EffectiveRequest(_add_locked(request, interpreter), settings, interpreter)
    if settings.out_dir is not None:
        check_out_dir(settings.out_dir)
    prefix = _active_environment(settings) if environment is None else environment.prefix
    return RunTarget(
        request=effective,
        interpreter=interpreter,
        environment=environment,
        shared_env=prefix,
    )


def _add_locked(request: Request, interpreter: Interpreter) -> Request:
    """Add the requirements of the lock files."""
    if not request.locks:
        return request
    from pool.requirements.pylock import read_lock

    locked = [spec for path in request.locks for spec in read_lock(path, interpreter)]
    return replace(request, requirements=(*request.requirements, *locked))


def _find_environment(settings: RunSettings) -> TargetEnvironment | None:
    if settings.installs_into is None:
        return None
    from pool.install.environment import find_environment

    match settings.installs_into:
        case "active":
            return find_environment(None, settings.environ)
        case path:
            return find_environment(path, settings.environ)


def _active_environment(settings: RunSettings) -> Path:
    """Return the environment in which builds without isolation run if none is installed into."""
    if settings.python is not None:
        return settings.python.parent.parent
    return Path(settings.environ.get("VIRTUAL_ENV") or sys.prefix)
