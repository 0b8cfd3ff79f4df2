"""The files of the user that commands read and write, where the XDG variables put them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import platformdirs

import pool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["cache_dir", "configuration_path", "state_dir"]


def configuration_path() -> Path | None:
    """Return the path of the user's configuration file, which need not exist.

    Returns:
        None for a user without a home directory.
    """
    try:
        return platformdirs.user_config_path("wheelpool") / "wheelpool.toml"
    except RuntimeError:
        return None


def state_dir() -> Path:
    """Return the directory of saved runs and of the build history.

    Raises:
        SettingsError: the user has no home directory, and ``XDG_STATE_HOME`` is not set.
    """
    return _find(platformdirs.user_state_path, "XDG_STATE_HOME")


def cache_dir() -> Path:
    """Return the directory of wheels and downloads.

    Raises:
        SettingsError: the user has no home directory, and ``XDG_CACHE_HOME`` is not set.
    """
    return _find(platformdirs.user_cache_path, "XDG_CACHE_HOME")


def _find(find: Callable[[str], Path], variable: str) -> Path:
    try:
        return find("wheelpool")
    except RuntimeError as problem:
        raise pool.SettingsError(
            f"user {os.getuid()} has no home directory: HOME is not set, and the user has no name",
            hint=f"set HOME, or set {variable} to a directory that you may write to",
        ) from problem
