"""Plans on disk: written by a transaction, read by the one that finishes it.

A wheel that another installer unpacked can have a file that looks like a plan. So a plan is read
only from a folder that a transaction of this user made, and its paths must lie in the environment.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from pool.common.files import open_regular
from pool.common.json import decode_json
from pool.install.environment_files import is_environment_file
from pool.install.plan import Plan
from pool.install.staging import PLAN_FILE, UNREADABLE_PLAN_FILE
from pool.install.volumes import is_root_path

if TYPE_CHECKING:
    from pathlib import Path

    from pool.install.layout import EnvPaths

__all__ = ["InvalidPlanError", "read_plan", "set_aside"]

_FOLDER_NAME = re.compile(r"[0-9a-f]{16}")


class InvalidPlanError(Exception):
    """A plan that is never carried out; the text says why."""


def read_plan(folder: Path, paths: EnvPaths) -> Plan:
    """Return the plan of an interrupted transaction.

    Args:
        folder: the folder of the transaction in the prefix.
        paths: the paths of the environment.

    Raises:
        FileNotFoundError: the folder has no plan.
        InvalidPlanError: the folder is not that of a transaction of this user, or the plan cannot
            be read, or it has paths outside of the environment.
    """
    try:
        with open_regular(folder / PLAN_FILE) as file:
            _check_made_by_us(folder, file.fileno())
            plan = decode_json(file.read(), Plan)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as problem:
        raise InvalidPlanError(f"it cannot be read: {problem}") from problem
    for step in plan.steps:
        if not _is_inside(step.path, paths) or is_environment_file(step.path):
            raise InvalidPlanError(f"it would change {step.path!a}")
    for root in plan.volumes:
        if not is_root_path(root, paths):
            raise InvalidPlanError(f"it has files in {root!a}")
    return plan


def _check_made_by_us(folder: Path, fd: int) -> None:
    for status in (folder.parent.lstat(), folder.lstat(), os.fstat(fd)):
        if status.st_uid != os.geteuid() or status.st_mode & stat.S_IWOTH:
            raise InvalidPlanError("another user made it")
    private = not stat.S_IMODE(folder.lstat().st_mode) & 0o077
    if not private or not _FOLDER_NAME.fullmatch(folder.name) or folder.parent.is_symlink():
        raise InvalidPlanError("no installation made it")


def _is_inside(path: str, paths: EnvPaths) -> bool:
    """Tell whether a step changes a name in the environment, also by way of links."""
    return "\0" not in path and paths.normalize(path) == path


def set_aside(folder: Path) -> Path:
    """Rename a plan, so that no installation stops at it again; return its new path."""
    return (folder / PLAN_FILE).rename(folder / UNREADABLE_PLAN_FILE)
