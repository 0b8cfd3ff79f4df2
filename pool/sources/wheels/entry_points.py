"""The commands that a wheel declares in entry_points.txt.

Read as `importlib.metadata` does, so as pip: comments and lines outside of sections are ignored,
and of two commands with one name the last counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from pool.common.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EntryPoint", "entry_point_pairs", "is_command_name", "parse_entry_points"]

_SECTIONS = ("console_scripts", "gui_scripts")
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_VALUE = re.compile(rf"(?P<module>{_DOTTED})\s*(?::\s*(?P<attribute>{_DOTTED}))?\s*(?:\[.*\])?")


class EntryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A console script of a wheel."""

    name: str
    module: str
    attribute: str


def parse_entry_points(text: str) -> tuple[EntryPoint, ...]:
    """Return the commands.

    Raises:
        ArchiveError: one has no valid name, or no function.
    """
    points = {name: _parse_point(name, value) for name, value in entry_point_pairs(text)}
    return tuple(points.values())


def entry_point_pairs(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the name and the value of each command; None: its line has no ``=``."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section in _SECTIONS:
            name, equals, value = line.partition("=")
            yield name.strip(), value.strip() if equals else None


def is_command_name(name: str) -> bool:
    """Tell whether a command can have this name: it is that of a file in the scripts folder."""
    return name.isprintable() and "/" not in name and name not in ("", ".", "..")


def _parse_point(name: str, value: str | None) -> EntryPoint:
    if value is None:
        raise ArchiveError(f"entry_points.txt: {name!a:.100} has no '='")
    if not is_command_name(name):
        raise ArchiveError(f"entry_points.txt: {name!a:.100} is not a valid command name")
    match = _VALUE.fullmatch(value)
    if match is None:
        raise ArchiveError(f"entry_points.txt: {name} = {value!a:.100} is not a valid function")
    if match["attribute"] is None:
        raise ArchiveError(f"entry_points.txt: {name} = {value:.100} names no function")
    return EntryPoint(name=name, module=match["module"], attribute=match["attribute"])
