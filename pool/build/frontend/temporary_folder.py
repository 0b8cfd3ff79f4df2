"""The folder for temporary files of one build (TMPDIR), beside its wheel.

It is on the file system of the wheel, so a backend can rename a file from one to the other (the
setup.py of flash-attn does), and it is removed with the build. A long path gets a short link: paths
of sockets are limited to 107 bytes (unix(7)).

uv locks a tree by a file in TMPDIR. Its files in the user's TMPDIR are linked, so that a uv that a
hook runs waits for the builds of other processes. All functions block on files.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pool.system.locks import uv_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["create", "release"]

_MAX_PATH_BYTES = 107 - len("/pymp-01234567/listener-01234567")
"""The room that the longest name of a socket by multiprocessing leaves."""


def create(folder: Path, environ: Mapping[str, str]) -> Path:
    """Create the folder if it is missing; return the path to use as TMPDIR.

    Args:
        folder: of the build.
        environ: of the user: has TMPDIR, in which uv's locks lie.

    Raises:
        OSError: no space, no permission.
    """
    folder.mkdir(exist_ok=True)
    for lock in uv_lock.list_locks(environ):
        with suppress(FileExistsError):
            (folder / lock.name).symlink_to(lock)
    if len(os.fsencode(folder)) <= _MAX_PATH_BYTES:
        return folder
    name = f"wheelpool-{secrets.token_hex(4)}"
    parents = (tempfile.gettempdir(), "/tmp")  # noqa: S108 - a link of an unknown name is made there
    short = (len(os.fsencode(parent)) + 1 + len(name) <= _MAX_PATH_BYTES for parent in parents)
    link = Path(parents[not next(short)], name)
    try:
        link.symlink_to(folder)
    except OSError:
        return folder  # A long path is better than none.
    return link


def release(temporary: Path, folder: Path) -> None:
    """Remove the link that `create` may have made; the files stay for the next hook."""
    if temporary != folder:
        with suppress(OSError):
            temporary.unlink()
