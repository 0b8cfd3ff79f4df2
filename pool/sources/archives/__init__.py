"""Reading archives of others: bounded readers of tar and zip, one writer with one set of rules."""

from __future__ import annotations

__all__ = ["SUFFIXES"]

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".zip")
"""Those of pip, but for the old lzma format."""
