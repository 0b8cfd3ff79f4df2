"""The files of the user that commands read and write, where the XDG variables put them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["cache_dir", "configuration_path", "state_dir"]


def configuration_path() -> Path:
    """Return the path of the user's configuration file; it need not exist."""
    return platformdirs.user_config_path("wheelpool") / "wheelpool.toml"


def state_dir() -> Path:
    """Return the directory of saved runs and of the build history."""
    return platformdirs.user_state_path("wheelpool")


def cache_dir() -> Path:
    """Return the directory of wheels and downloads."""
    return platformdirs.user_cache_path("wheelpool")
