"""The files of an environment itself, which belong to no distribution.

No wheel may write them and no uninstallation removes them, whatever a RECORD says: without its
interpreter an environment cannot even be repaired.
"""

from __future__ import annotations

import re

__all__ = ["STAGING_DIR", "is_environment_file"]

STAGING_DIR = ".wheelpool"
"""The folder that has a folder for each installation: in the prefix, and on each other volume."""

_IN_PREFIX = ("pyvenv.cfg", "lib64", ".lock")
_COMMANDS = re.compile(
    r"(?:python|pypy|graalpy)(?:\d+(?:\.\d+)*t?)?"
    r"|activate(?:\.\w+)?|activate_this\.py|deactivate(?:\.\w+)?",
    re.IGNORECASE,
)
"""The interpreter and the scripts of venv, virtualenv and uv."""


def is_environment_file(path: str, scripts: str = "bin") -> bool:
    """Tell whether a file is one of the environment's own.

    Args:
        path: relative to the environment, normalized.
        scripts: the folder of commands, relative to the environment.
    """
    folder, _, name = path.rpartition("/")
    if STAGING_DIR in path.split("/") or (not folder and name in _IN_PREFIX):
        return True
    return folder == scripts and _COMMANDS.fullmatch(name) is not None
