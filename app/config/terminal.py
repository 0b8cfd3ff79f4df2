"""Which terminals show a window title, by the name in ``TERM``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["supports_title"]

_WITHOUT_TITLE = ("dumb", "unknown", "linux", "cons", "vt", "ansi", "eterm")
"""Prefixes of the names of terminals without a title; some would print the escape sequence."""


def supports_title(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal has a title."""
    term = environ.get("TERM", "")
    return bool(term) and not term.startswith(_WITHOUT_TITLE)
