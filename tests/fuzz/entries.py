"""Entries of folders, of all kinds that hostile trees and environments have."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["make_entry"]


def make_entry(path: Path, kind: str, data: bytes, link_to: Path = Path("/dev/zero")) -> None:
    """Make an entry of a folder.

    Args:
        path: the entry; its folder is made if missing.
        kind: ``file``, ``folder``, ``fifo``, ``loop``, ``dangling``, or anything else for a link.
        data: the content of a file.
        link_to: where a link leads.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "file":
            path.write_bytes(data)
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path.name)
        case "dangling":
            path.symlink_to("absent")
        case _:
            path.symlink_to(link_to)
