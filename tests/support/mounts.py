"""File systems that a test mounts; it is skipped where that is not possible."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["mounted"]


@contextmanager
def mounted(folder: Path, *, size: str = "64m", bind: Path | None = None) -> Iterator[None]:
    """Mount a file system in memory, or another folder, at a folder that exists.

    Args:
        folder: the mount point.
        size: the size of the file system, as ``mount`` reads it.
        bind: a folder that appears there, too, instead.
    """
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a file system")
    tmpfs = ["-t", "tmpfs", "-o", f"size={size}", "none"]
    source = tmpfs if bind is None else ["--bind", str(bind)]
    command = ["mount", *source, str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine refuses to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
