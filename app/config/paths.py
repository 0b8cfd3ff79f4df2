"""The files of the user that commands read and write, where the XDG variables put them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal, TypeAlias

import pool
from app.config.sources import environment

__all__ = ["cache_dir", "configuration_path", "state_dir"]

_Kind: TypeAlias = Literal["config", "state", "cache"]
_NAME = "wheelpool"
_VARIABLES: dict[_Kind, str] = {
    "config": "XDG_CONFIG_HOME",
    "state": "XDG_STATE_HOME",
    "cache": "XDG_CACHE_HOME",
}
_FOLDERS: dict[_Kind, str] = {"config": ".config", "state": ".local/state", "cache": ".cache"}
"""Below the home directory, where the variable is unset (XDG Base Directory Specification)."""


def configuration_path() -> Path | None:
    """Return the path of the user's configuration file, which need not exist.

    Returns:
        None for a user without a home directory.
    """
    try:
        return _find("config") / "wheelpool.toml"
    except RuntimeError:
        return None


def state_dir() -> Path:
    """Return the directory of saved runs and of the build history.

    Raises:
        SettingsError: the user has no home directory, and ``XDG_STATE_HOME`` is not set.
    """
    return _find_or_refuse("state")


def cache_dir() -> Path:
    """Return the directory of wheels and downloads.

    Raises:
        SettingsError: the user has no home directory, and ``XDG_CACHE_HOME`` is not set.
    """
    return _find_or_refuse("cache")


def _find_or_refuse(kind: _Kind) -> Path:
    try:
        return _find(kind)
    except RuntimeError as problem:
        raise pool.SettingsError(
            f"user {os.getuid()} has no home directory: HOME is not set, and the user has no name",
            hint=f"set HOME, or set {_VARIABLES[kind]} to a directory that you may write to",
        ) from problem


def _find(kind: _Kind) -> Path:
    """Return a directory of wheelpool's.

    An absolute path in its variable is used as it is, which is the rule of `platformdirs`, too; the
    import of that library takes as long as Python takes to start.

    Raises:
        RuntimeError: the user has no home directory.
    """
    environ = environment()
    base = environ.get(_VARIABLES[kind], "")
    if not base.strip() and environ.get("HOME"):
        base = f"{environ['HOME']}/{_FOLDERS[kind]}"
    if sys.platform == "linux" and base.startswith("/"):
        return Path(base) / _NAME
    import platformdirs  # noqa: PLC0415 - see above

    match kind:
        case "config":
            return platformdirs.user_config_path(_NAME)
        case "state":
            return platformdirs.user_state_path(_NAME)
        case "cache":
            return platformdirs.user_cache_path(_NAME)
